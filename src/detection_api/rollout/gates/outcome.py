"""The outcome of a gate, and of several gates together; pure."""

import math
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

import msgspec

from detection_api.rollout.gates.evidence import Evidence


class GateOutcome(Enum):
    """The outcome of one gate, or of all."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """A gate's outcome, with its figures and a message.

    `eta` is in how many seconds the gate has enough evidence at the present rate; None if unknown.
    Events store the message as `said`.
    """

    name: str
    outcome: GateOutcome
    message: str = msgspec.field(name="said")
    figures: Mapping[str, Any] = msgspec.field(default_factory=dict)
    eta: float | None = None


def combine(outcomes: Iterable[GateOutcome]) -> GateOutcome:
    """Return FAILED if one failed, PASSED if all passed, else INCONCLUSIVE, also for none."""
    distinct = set(outcomes)
    if GateOutcome.FAILED in distinct:
        return GateOutcome.FAILED
    return GateOutcome.PASSED if distinct == {GateOutcome.PASSED} else GateOutcome.INCONCLUSIVE


def conclude(gates: Iterable[Gate]) -> GateOutcome:
    """Return the outcome of all gates together."""
    return combine(gate.outcome for gate in gates)


def eta(gates: Iterable[Gate]) -> float | None:
    """Return the seconds until no gate is inconclusive; None if one of them has no estimate."""
    open_etas = [gate.eta for gate in gates if gate.outcome is GateOutcome.INCONCLUSIVE]
    known = [seconds for seconds in open_etas if seconds is not None]
    return max(known, default=0.0) if len(known) == len(open_etas) else None


def bottleneck(gates: Iterable[Gate]) -> Gate | None:
    """Return the inconclusive gate with the longest eta; one without estimate counts as longest."""
    inconclusive = [gate for gate in gates if gate.outcome is GateOutcome.INCONCLUSIVE]
    return max(
        inconclusive, key=lambda gate: math.inf if gate.eta is None else gate.eta, default=None
    )


def passed_if(passes: bool) -> GateOutcome:
    """Return PASSED or INCONCLUSIVE."""
    return GateOutcome.PASSED if passes else GateOutcome.INCONCLUSIVE


def wait(evidence: Evidence, have: float, need: float) -> float | None:
    """Return the seconds until `have` reaches `need` at the window's rate; None if unknown."""
    if have >= need:
        return 0.0
    if have <= 0 or evidence.seconds <= 0:
        return None
    return (need - have) * evidence.seconds / have
