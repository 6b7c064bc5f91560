"""Changes of an endpoint's exposure; pure, except `write`."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from detection_api import token_format
from detection_api.canary.serving import CanarySettings
from detection_api.canary.state import DEFAULT, EventKind, RolloutState, Status, Store, effective

States = Mapping[str, RolloutState]
Change = Callable[[RolloutState], RolloutState]


def own(states: States, endpoint: str) -> RolloutState:
    """Return the endpoint's own state; if it has none, a new one with the default's percent."""
    return states.get(endpoint) or RolloutState(
        endpoint=endpoint, percent=effective(states, DEFAULT).percent
    )


def percent_set(percent: float) -> Change:
    """Return the change to another percent (0..100); a rollback stays."""
    return lambda state: replace(state, percent=percent)


def lowered(percent: float) -> Change:
    """Return the change to at most `percent` (0..100)."""
    return lambda state: replace(state, percent=min(state.percent, percent))


def rolled_back(state: RolloutState) -> RolloutState:
    """Return `state` with everything sent to legacy and its percent kept."""
    return replace(state, status=Status.ROLLED_BACK)


def held(state: RolloutState) -> RolloutState:
    """Return `state` with its percent held; a rollback stays."""
    return replace(state, status=Status.HELD) if state.status.exposes else state


def resumed(state: RolloutState) -> RolloutState:
    """Return `state` with its percent applied again."""
    return replace(state, status=Status.ACTIVE)


def is_raised_though_held(states: States, new: RolloutState) -> bool:
    """Return whether the applied state is held and `new` has a higher percent."""
    applied = effective(states, new.endpoint)
    return applied.status is Status.HELD and new.percent > applied.percent


def write(
    store: Store, old: RolloutState, change: Change, kind: EventKind, *, by: str, reason: str
) -> RolloutState:
    """Store a change of a state with its event; return the stored state.

    A token in `reason` is redacted. Raises StaleEpochError if the state was changed meanwhile.
    """
    new = replace(change(old), by=by, reason=token_format.redacted(reason))
    evidence = {"percent_before": old.percent, "percent": new.percent}
    return store.write(new, kind, evidence)


def cautions(
    states: States, endpoint: str, endpoints: Collection[str], overrides: CanarySettings
) -> Iterator[str]:
    """Yield why the stored percent of `endpoint` does not apply, or not everywhere."""
    if not overrides.use_domain:
        yield KILL_SWITCH
    if effective(states, endpoint).status is Status.ROLLED_BACK:
        name = endpoint if own(states, endpoint).status is Status.ROLLED_BACK else DEFAULT
        yield f"{name} is rolled back: no percentage applies until `resume`"
    followers = {e for e in endpoints if e not in states} if endpoint == DEFAULT else {endpoint}
    for follower in sorted(followers):
        pinned = overrides.pinned_percent(follower)
        if pinned is not None:
            yield f"the environment pins {follower} to {pinned:g}%: no stored percent applies"
    independent = sorted(set(endpoints) & set(states)) if endpoint == DEFAULT else []
    if independent:
        yield f"these keep a percentage of their own: {', '.join(independent)}"


KILL_SWITCH = "the environment's kill switch is set: everything goes to legacy"
