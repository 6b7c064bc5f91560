"""How operators change an endpoint's exposure; pure, but for `write`."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from detection_api import token_format
from detection_api.canary.serving import CanarySettings
from detection_api.canary.state import DEFAULT, EventKind, RolloutState, Status, Store, effective

States = Mapping[str, RolloutState]
Change = Callable[[RolloutState], RolloutState]


def own(states: States, endpoint: str) -> RolloutState:
    """The state of `endpoint` itself, which is the default's percent where it has none."""
    return states.get(endpoint) or RolloutState(
        endpoint=endpoint, percent=effective(states, DEFAULT).percent
    )


def percent_set(percent: float) -> Change:
    """Have another percent (0..100); what is rolled back stays so."""
    return lambda state: replace(state, percent=percent)


def lowered(percent: float) -> Change:
    """Have `percent` (0..100) at the most."""
    return lambda state: replace(state, percent=min(state.percent, percent))


def rolled_back(state: RolloutState) -> RolloutState:
    """`state` with everything to legacy, and its percent kept."""
    return replace(state, status=Status.ROLLED_BACK)


def held(state: RolloutState) -> RolloutState:
    """`state` with its percent not to be raised; what is rolled back stays so."""
    return replace(state, status=Status.HELD) if state.status.exposes else state


def resumed(state: RolloutState) -> RolloutState:
    """`state` with its percent applied again."""
    return replace(state, status=Status.ACTIVE)


def is_raised_though_held(states: States, new: RolloutState) -> bool:
    """Whether `new` has a higher percent than what applies, though that is held."""
    applied = effective(states, new.endpoint)
    return applied.status is Status.HELD and new.percent > applied.percent


def write(
    store: Store, old: RolloutState, change: Change, kind: EventKind, *, by: str, reason: str
) -> RolloutState:
    """Change a state, with its event; as stored, and without a token that `reason` quotes.

    Raises StaleEpochError.
    """
    new = replace(change(old), by=by, reason=token_format.redacted(reason))
    evidence = {"percent_before": old.percent, "percent": new.percent}
    return store.write(new, kind, evidence)


def cautions(
    states: States, endpoint: str, endpoints: Collection[str], overrides: CanarySettings
) -> Iterator[str]:
    """Why the percent of `endpoint` does not apply as it stands, or not everywhere."""
    if not overrides.use_domain:
        yield KILL_SWITCH
    if effective(states, endpoint).status is Status.ROLLED_BACK:
        culprit = endpoint if own(states, endpoint).status is Status.ROLLED_BACK else DEFAULT
        yield f"{culprit} is rolled back: no percentage applies until `resume` takes that back"
    followers = {e for e in endpoints if e not in states} if endpoint == DEFAULT else {endpoint}
    for follower in sorted(followers):
        pinned = overrides.pinned_percent(follower)
        if pinned is not None:
            yield f"the environment pins {follower} to {pinned:g}%, whatever is stored"
    independent = sorted(set(endpoints) & set(states)) if endpoint == DEFAULT else []
    if independent:
        yield f"a percentage of their own have, and keep: {', '.join(independent)}"


KILL_SWITCH = "the environment's kill switch is set: everything goes to legacy"
