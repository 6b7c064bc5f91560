"""What a gate comes to, and what gates come to together; pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from detection_api.rollout.gates.evidence import Evidence


class GateOutcome(Enum):
    """What a gate, or all of them, come to."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate's outcome, with its figures and in a sentence.

    `eta` is in how many seconds it will be conclusive at the present rate, where that is known.
    """

    name: str
    outcome: GateOutcome
    said: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    eta: float | None = None


def worst(outcomes: Iterable[GateOutcome]) -> GateOutcome:
    """What outcomes come to together: one that failed fails all, all have to pass, no one none."""
    found = set(outcomes)
    if GateOutcome.FAILED in found:
        return GateOutcome.FAILED
    return GateOutcome.PASSED if found == {GateOutcome.PASSED} else GateOutcome.INCONCLUSIVE


def conclude(gates: Iterable[Gate]) -> GateOutcome:
    """What gates come to together."""
    return worst(gate.outcome for gate in gates)


def eta(gates: Iterable[Gate]) -> float | None:
    """Seconds until all that is inconclusive may be over; None where nobody knows."""
    waited_for = [gate.eta for gate in gates if gate.outcome is GateOutcome.INCONCLUSIVE]
    known = [seconds for seconds in waited_for if seconds is not None]
    return max(known, default=0.0) if len(known) == len(waited_for) else None


def bottleneck(gates: Iterable[Gate]) -> Gate | None:
    """What takes longest of all that is inconclusive; what nobody knows the time of goes first."""
    waited_for = [gate for gate in gates if gate.outcome is GateOutcome.INCONCLUSIVE]
    return max(
        waited_for, key=lambda gate: math.inf if gate.eta is None else gate.eta, default=None
    )


def passed_if(passes: bool) -> GateOutcome:
    """Passed, or not yet."""
    return GateOutcome.PASSED if passes else GateOutcome.INCONCLUSIVE


def wait(evidence: Evidence, have: float, need: float) -> float | None:
    """Seconds until there is as much as is needed, at the rate of the window."""
    if have >= need:
        return 0.0
    if have <= 0 or evidence.seconds <= 0:
        return None
    return (need - have) * evidence.seconds / have
