"""How an endpoint of a run stands, and what is to be done about it; pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from detection_api.canary.state import EventKind, RolloutState, Status, convert, effective
from detection_api.rollout.changes import own
from detection_api.rollout.gates import (
    EndpointSnapshot,
    Evidence,
    Gate,
    GateOutcome,
    Gathered,
    Verified,
    Window,
    conclude,
    judge,
    measure,
    verification,
)
from detection_api.rollout.run import Completion, EndCause, Phase, Run, RunProgress, evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointProgress:
    """How an endpoint stands: `state` is its own, `applied` the one that applies to it.

    In a stage it has been `measured`, and the `gates` say what of that; `before` is the snapshot
    that its next stage would begin with.
    """

    progress: RunProgress
    state: RolloutState
    applied: RolloutState
    pinned: float | None
    before: EndpointSnapshot
    measured: Evidence | None = None
    gates: tuple[Gate, ...] = ()

    @property
    def waits_for(self) -> str:
        """What keeps it from being moved, in a sentence; empty where nothing does."""
        if self.progress.phase is Phase.WAITING and self.applied.status is Status.HELD:
            return self._held
        return said(gate for gate in self.gates if gate.outcome is GateOutcome.INCONCLUSIVE)

    @property
    def _held(self) -> str:
        """What takes the hold back, of this endpoint or of all, and why it is held."""
        is_own = self.state.status is Status.HELD
        of_which = f" --endpoint {self.progress.endpoint}" if is_own else ""
        why = f": {self.applied.reason}" if self.applied.reason else ""
        return f"held until `rollout resume{of_which}`{why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One event of a run; with a `percent`, it changes the endpoint's state as well."""

    kind: EventKind
    reason: str
    percent: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def stand(
    run: Run,
    gathered: Gathered,
    progress: RunProgress,
    contract: Collection[str],
    pinned: float | None,
) -> EndpointProgress:
    """How an endpoint stands; not yet verified."""
    states, endpoint = gathered.shared.states, progress.endpoint
    standing = EndpointProgress(
        progress=progress,
        state=own(states, endpoint),
        applied=effective(states, endpoint),
        pinned=pinned,
        before=gathered.snapshot(endpoint),
    )
    if progress.phase is not Phase.BAKING:
        return standing
    measured = measure(gathered, window_of(progress), contract)
    return replace(standing, measured=measured, gates=judge(measured, run.plan))


def window_of(progress: RunProgress) -> Window:
    """The stage that an endpoint is in, as its STAGE tells it."""
    event = progress.event
    assert event is not None
    assert event.at is not None
    return Window(
        endpoint=progress.endpoint,
        percent=event.evidence["percent"],
        percent_before=event.evidence["percent_before"],
        since=event.at,
        epoch=event.epoch,
        before=convert(event.evidence["before"], EndpointSnapshot),
    )


def decide(run: Run, standing: EndpointProgress) -> Transition | None:
    """What is to be done about an endpoint now, if anything."""
    if obstacle := _obstacle(run, standing):
        return _leave(standing, *obstacle)
    if standing.progress.phase is Phase.WAITING:
        return None if standing.waits_for else _raise(run, standing)
    outcome = conclude(standing.gates)
    if outcome is GateOutcome.FAILED:
        return _fail(run, standing)
    if outcome is GateOutcome.PASSED:
        return _pass(run, standing)
    assert standing.measured is not None
    is_held = standing.applied.status is Status.HELD
    if standing.measured.seconds > run.plan.patience and not is_held:
        return _leave(standing, EndCause.PATIENCE, standing.waits_for)
    return None


def _obstacle(run: Run, standing: EndpointProgress) -> tuple[EndCause, str] | None:
    """Why the run has no say about an endpoint any more, if so."""
    progress, applied = standing.progress, standing.applied
    if standing.pinned is not None:
        said = f"the environment pins it to {standing.pinned:g}%, whatever is stored"
        return EndCause.PINNED, said
    if applied.status is Status.ROLLED_BACK:
        return EndCause.ROLLED_BACK, f"rolled back: {applied.reason}"
    since = progress.event.at if progress.event else run.started_at
    if applied.resumed_at and since and applied.resumed_at > since:
        return EndCause.ROLLED_BACK, "it was rolled back meanwhile, and resumed"
    if progress.stage > len(run.plan.stages):
        return EndCause.ABOVE, f"it is at {applied.percent:g}%, above the last stage"
    if applied.percent != _expected(run, progress):
        said = f"{applied.by} set {applied.percent:g}%"
        return EndCause.CHANGED, f"{said}: {applied.reason}" if applied.reason else said
    return None


def _expected(run: Run, progress: RunProgress) -> float:
    """The percent that the run has left an endpoint at."""
    if progress.phase is Phase.BAKING:
        return run.plan.percent(progress.stage)
    if progress.event is None:
        return run.plan.endpoints[progress.endpoint]
    return run.plan.percent(progress.stage - 1)


def _raise(run: Run, standing: EndpointProgress) -> Transition:
    stage = standing.progress.stage
    percent = run.plan.percent(stage)
    return Transition(
        kind=EventKind.STAGE,
        reason=f"stage {stage} of {len(run.plan.stages)}",
        percent=percent,
        facts={
            "stage": stage,
            "percent": percent,
            "percent_before": standing.state.percent,
            "before": evidence(standing.before),
        },
    )


def _pass(run: Run, standing: EndpointProgress) -> Transition:
    stage = standing.progress.stage
    reason = f"passed stage {stage} of {len(run.plan.stages)}"
    return Transition(kind=EventKind.PASS, reason=reason, facts=_facts(standing))


def _fail(run: Run, standing: EndpointProgress) -> Transition:
    stage, percent = standing.progress.stage, standing.state.percent
    back_to = min(percent, run.plan.percent_after_failure(standing.progress.endpoint, stage))
    failed = (gate for gate in standing.gates if gate.outcome is GateOutcome.FAILED)
    return Transition(
        kind=EventKind.FAIL,
        reason=f"failed stage {stage} of {len(run.plan.stages)}: {said(failed)}",
        percent=back_to,
        facts={**_facts(standing), "percent": back_to, "percent_before": percent},
    )


def _leave(standing: EndpointProgress, cause: EndCause, reason: str) -> Transition:
    return Transition(
        kind=EventKind.LEAVE, reason=reason, facts={**_facts(standing), "cause": cause.value}
    )


def _facts(standing: EndpointProgress) -> dict[str, Any]:
    """What an event tells of where an endpoint stood: in a stage, all that was measured."""
    facts = {"stage": standing.progress.stage, "percent": standing.applied.percent}
    if standing.measured is None:
        return facts
    return {
        **facts,
        "evidence": evidence(standing.measured),
        "gates": evidence(standing.gates),
    }


def said(told: Iterable[Gate]) -> str:
    """What gates say, in a line."""
    return "; ".join(f"{gate.name}: {gate.said}" for gate in told)


def ready(standings: Iterable[EndpointProgress]) -> list[str]:
    """The endpoints that have passed every gate but the verification."""
    return [
        standing.progress.endpoint
        for standing in standings
        if conclude(standing.gates) is GateOutcome.PASSED
    ]


def with_verification(
    run: Run, standing: EndpointProgress, verified: Mapping[str, Sequence[Verified]]
) -> EndpointProgress:
    """An endpoint in a stage with what its verification came to: the last gate, once it is due."""
    endpoint = standing.progress.endpoint
    if standing.measured is None or (run.plan.verify_urls and endpoint not in verified):
        return standing
    gate = verification(run.plan, verified.get(endpoint, ()))
    return replace(standing, gates=(*standing.gates, gate))


def since(run: Run) -> datetime | None:
    """When the oldest of the stages began that endpoints are in; None where none is."""
    begun = [p.event.at for p in run.open if p.phase is Phase.BAKING and p.event and p.event.at]
    return min(begun, default=None)


def outcomes(run: Run, states: Mapping[str, RolloutState]) -> dict[str, dict[str, Any]]:
    """What became of each endpoint, for the run's END: how far it came, and how it stands."""
    found = {}
    for endpoint, progress in run.progress.items():
        applied = effective(states, endpoint)
        found[endpoint] = {
            "phase": progress.phase.value,
            "stage": progress.stage,
            "percent": applied.percent,
            "status": applied.status.value,
            "reason": progress.event.reason if progress.event else "",
        }
    return found


def completion(run: Run, outcomes: Mapping[str, Mapping[str, Any]]) -> Completion:
    """What became of a run that is through with every endpoint."""
    last = run.plan.percent(len(run.plan.stages))
    is_complete = all(
        (outcome["phase"], outcome["percent"]) == (Phase.DONE.value, last)
        and outcome["status"] != Status.ROLLED_BACK.value
        for outcome in outcomes.values()
    )
    return Completion.COMPLETE if is_complete else Completion.INCOMPLETE
