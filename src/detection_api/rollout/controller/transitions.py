"""Review an endpoint of a run, and decide about its next transition; pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from detection_api.canary.state import EventKind, RolloutState, Status, convert, effective
from detection_api.rollout.changes import own
from detection_api.rollout.controller.destination import (
    percent_after_failure,
    percent_after_patience,
)
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
from detection_api.rollout.run import Completion, EndCause, EndpointProgress, Phase, Run, evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointReview:
    """A review of an endpoint in one turn.

    `state` is its own state, `applied` the one that applies to it. An endpoint in a stage is
    `measured` and judged by `gates`. `before` is the snapshot for its next stage.
    """

    progress: EndpointProgress
    state: RolloutState
    applied: RolloutState
    pinned: float | None
    before: EndpointSnapshot
    measured: Evidence | None = None
    gates: tuple[Gate, ...] = ()

    @property
    def waits_for(self) -> str:
        """Why it cannot move, in a sentence; empty if it can."""
        if self.progress.phase is Phase.WAITING and self.applied.status is Status.HELD:
            return self._held
        return messages(gate for gate in self.gates if gate.outcome is GateOutcome.INCONCLUSIVE)

    @property
    def _held(self) -> str:
        """Which command ends the hold, and why it is held."""
        is_own = self.state.status is Status.HELD
        option = f" --endpoint {self.progress.endpoint}" if is_own else ""
        reason = f": {self.applied.reason}" if self.applied.reason else ""
        return f"held until `rollout resume{option}`{reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One event of a run. If `percent` is set, it also changes the endpoint's state."""

    kind: EventKind
    reason: str
    percent: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


def review_endpoint(
    run: Run,
    gathered: Gathered,
    progress: EndpointProgress,
    contract: Collection[str],
    pinned: float | None,
) -> EndpointReview:
    """Review an endpoint, without its verification."""
    states, endpoint = gathered.shared.states, progress.endpoint
    unmeasured = EndpointReview(
        progress=progress,
        state=own(states, endpoint),
        applied=effective(states, endpoint),
        pinned=pinned,
        before=gathered.snapshot(endpoint),
    )
    if progress.phase is not Phase.BAKING:
        return unmeasured
    measured = measure(gathered, window_of(progress), contract)
    return replace(unmeasured, measured=measured, gates=judge(measured, run.plan))


def window_of(progress: EndpointProgress) -> Window:
    """Return the window of the stage that an endpoint is in, from its STAGE event."""
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


def decide(run: Run, review: EndpointReview) -> Transition | None:
    """Return an endpoint's next transition; None if it waits."""
    if obstacle := _obstacle(run, review):
        return _leave(review, *obstacle)
    if review.progress.phase is Phase.WAITING:
        return None if review.waits_for else _raise(run, review)
    outcome = conclude(review.gates)
    if outcome is GateOutcome.FAILED:
        return _fail(run, review)
    if outcome is GateOutcome.PASSED:
        return _pass(run, review)
    assert review.measured is not None
    is_held = review.applied.status is Status.HELD
    if review.measured.seconds > run.plan.patience and not is_held:
        return _give_up(run, review)
    return None


def _obstacle(run: Run, review: EndpointReview) -> tuple[EndCause, str] | None:
    """Return why the run must leave an endpoint; None if it need not."""
    progress, applied = review.progress, review.applied
    if review.pinned is not None:
        reason = f"the environment pins it to {review.pinned:g}%: no stored percent applies"
        return EndCause.PINNED, reason
    if applied.status is Status.ROLLED_BACK:
        return EndCause.ROLLED_BACK, f"rolled back: {applied.reason}"
    since = progress.event.at if progress.event else run.started_at
    if applied.resumed_at and since and applied.resumed_at > since:
        return EndCause.ROLLED_BACK, "it was rolled back and resumed meanwhile"
    if progress.stage > len(run.plan.stages):
        return EndCause.ABOVE, f"it is at {applied.percent:g}%, above the last stage"
    if applied.percent != _expected(run, progress):
        change = f"{applied.by} set {applied.percent:g}%"
        return EndCause.CHANGED, f"{change}: {applied.reason}" if applied.reason else change
    return None


def _expected(run: Run, progress: EndpointProgress) -> float:
    """Return the percent that the run has set last."""
    if progress.phase is Phase.BAKING:
        return run.plan.percent(progress.stage)
    if progress.event is None:
        return run.plan.endpoints[progress.endpoint]
    return run.plan.percent(progress.stage - 1)


def _raise(run: Run, review: EndpointReview) -> Transition:
    stage = review.progress.stage
    percent = run.plan.percent(stage)
    return Transition(
        kind=EventKind.STAGE,
        reason=f"stage {stage} of {len(run.plan.stages)}",
        percent=percent,
        evidence={
            "stage": stage,
            "percent": percent,
            "percent_before": review.state.percent,
            "before": evidence(review.before),
        },
    )


def _pass(run: Run, review: EndpointReview) -> Transition:
    stage = review.progress.stage
    reason = f"passed stage {stage} of {len(run.plan.stages)}"
    bounds = " ".join(_bounds(review.gates))
    return Transition(
        kind=EventKind.PASS,
        reason=f"{reason}: {bounds}" if bounds else reason,
        evidence=_details(review),
    )


def _bounds(gates: Iterable[Gate]) -> Iterator[str]:
    """Yield what the gates leave possible: a sentence on wrong answers, and one on failures."""
    figures = {gate.name: gate.figures for gate in gates if "bound" in gate.figures}
    if found := figures.get("comparisons"):
        yield (
            f"At most {found['bound']:g}% of answers can be wrong"
            f" (95% confidence, {found['compared']:,} comparisons)."
        )
    if found := figures.get("guard"):
        yield (
            f"At most {found['bound']:g}% of requests can fail"
            f" (95% confidence, {found['good'] + found['bad']:,} requests)."
        )


def _fail(run: Run, review: EndpointReview) -> Transition:
    stage, percent = review.progress.stage, review.state.percent
    back_to = percent_after_failure(
        run.plan, review.progress.endpoint, stage, review.gates, percent
    )
    failed = (gate for gate in review.gates if gate.outcome is GateOutcome.FAILED)
    return Transition(
        kind=EventKind.FAIL,
        reason=f"failed stage {stage} of {len(run.plan.stages)}: {messages(failed)}",
        percent=back_to,
        evidence={**_details(review), "percent": back_to, "percent_before": percent},
    )


def _give_up(run: Run, review: EndpointReview) -> Transition:
    """Leave an endpoint that ran out of patience, at the last stage that it passed."""
    left = _leave(review, EndCause.PATIENCE, review.waits_for)
    stage, percent = review.progress.stage, review.state.percent
    back_to = percent_after_patience(run.plan, review.progress.endpoint, stage, percent)
    return replace(
        left,
        percent=back_to,
        evidence={**left.evidence, "percent": back_to, "percent_before": percent},
    )


def _leave(review: EndpointReview, cause: EndCause, reason: str) -> Transition:
    return Transition(
        kind=EventKind.LEAVE, reason=reason, evidence={**_details(review), "cause": cause.value}
    )


def _details(review: EndpointReview) -> dict[str, Any]:
    """Return the evidence of an event; for an endpoint in a stage, with all measurements."""
    details = {"stage": review.progress.stage, "percent": review.applied.percent}
    if review.measured is None:
        return details
    return {
        **details,
        "evidence": evidence(review.measured),
        "gates": evidence(review.gates),
    }


def messages(gates: Iterable[Gate]) -> str:
    """Return the messages of gates in one line."""
    return "; ".join(f"{gate.name}: {gate.message}" for gate in gates)


def ready(reviews: Iterable[EndpointReview]) -> list[str]:
    """Return the endpoints that have passed every gate except the verification."""
    return [
        review.progress.endpoint
        for review in reviews
        if conclude(review.gates) is GateOutcome.PASSED
    ]


def with_verification(
    run: Run, review: EndpointReview, verified: Mapping[str, Sequence[Verified]]
) -> EndpointReview:
    """Add the verification's gate to an endpoint in a stage, once it was verified."""
    endpoint = review.progress.endpoint
    if review.measured is None or (run.plan.verify_urls and endpoint not in verified):
        return review
    gate = verification(run.plan, verified.get(endpoint, ()))
    return replace(review, gates=(*review.gates, gate))


def since(run: Run) -> datetime | None:
    """Return when the oldest current stage began; None if no endpoint is in a stage."""
    begun = [p.event.at for p in run.open if p.phase is Phase.BAKING and p.event and p.event.at]
    return min(begun, default=None)


def outcomes(run: Run, states: Mapping[str, RolloutState]) -> dict[str, dict[str, Any]]:
    """Return each endpoint's phase, stage and applied state, for the run's END."""
    result = {}
    for endpoint, progress in run.progress.items():
        applied = effective(states, endpoint)
        result[endpoint] = {
            "phase": progress.phase.value,
            "stage": progress.stage,
            "percent": applied.percent,
            "status": applied.status.value,
            "reason": progress.event.reason if progress.event else "",
        }
    return result


def completion(run: Run, outcomes: Mapping[str, Mapping[str, Any]]) -> Completion:
    """Return the completion of a run that has no open endpoint."""
    last = run.plan.percent(len(run.plan.stages))
    is_complete = all(
        (outcome["phase"], outcome["percent"]) == (Phase.DONE.value, last)
        and outcome["status"] != Status.ROLLED_BACK.value
        for outcome in outcomes.values()
    )
    return Completion.COMPLETE if is_complete else Completion.INCOMPLETE
