"""Decide the percent of an endpoint that failed a stage, or ran out of patience; pure."""

from collections.abc import Iterable

from detection_api.rollout.gates import Gate, GateOutcome
from detection_api.rollout.run import OnFailure, Plan


def percent_after_failure(
    plan: Plan, endpoint: str, stage: int, gates: Iterable[Gate], percent: float
) -> float:
    """Return the percent of an endpoint that failed `stage` at `percent`.

    Wrong answers end at 0%, whatever the plan says. Any other failure ends below `percent`: at 0%
    if the plan says so, else at the stage before. After the first stage it is the percent at the
    start if that is lower, else 0%.
    """
    failed = [gate for gate in gates if gate.outcome is GateOutcome.FAILED]
    if plan.on_failure is OnFailure.ZERO or any(map(_proves_wrong_answers, failed)):
        return 0.0
    before = plan.percent_passed(endpoint, stage)
    return before if before < percent else 0.0


def percent_after_patience(plan: Plan, endpoint: str, stage: int, percent: float) -> float:
    """Return the percent of an endpoint at `percent` that ran out of patience in `stage`.

    It is the last stage that the endpoint passed, or its percent at the start if there is none. It
    is at most `percent`.
    """
    return min(percent, plan.percent_passed(endpoint, stage))


def _proves_wrong_answers(gate: Gate) -> bool:
    """Return whether a failed gate found wrong answers; a verification may be slow only."""
    if gate.name == "verification":
        return any(result.get("differs") is not False for result in gate.figures.values())
    return gate.name == "mismatches"
