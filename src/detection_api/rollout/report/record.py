"""The record of a run: everything that the ledger and the events hold of it.

Nothing in it changes once the run has ended. `loader` reads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from detection_api.canary.state import BUCKET_SECONDS, Arm, EventKind, RolloutEvent, Tally, convert
from detection_api.rollout.gates import ArmEvidence, Evidence, Gate
from detection_api.rollout.run import EndpointProgress, Run

BUCKET = timedelta(seconds=BUCKET_SECONDS)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StageOutcome(Enum):
    """How an endpoint's stage ended."""

    PASSED = "passed"
    FAILED = "failed"
    LEFT = "left"
    """The run left the endpoint behind: the stage neither passed nor failed."""
    OPEN = "open"
    """The run has not decided the stage, or was ended before it did."""


OUTCOMES = {
    EventKind.PASS: StageOutcome.PASSED,
    EventKind.FAIL: StageOutcome.FAILED,
    EventKind.LEAVE: StageOutcome.LEFT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The counts of both arms of an endpoint from `since` until `until`.

    `is_recorded` is true if the ledger has lost part of it. The figures are then those that the
    decision of the stage recorded, or for the whole run the sum of all its stages.
    """

    endpoint: str
    since: datetime
    until: datetime
    arms: Mapping[Arm, ArmEvidence]
    is_recorded: bool = False
    decision: RolloutEvent | None = None

    @property
    def domain(self) -> ArmEvidence:
        """Return the figures of the domain."""
        return self.arms[Arm.DOMAIN]

    @property
    def legacy(self) -> ArmEvidence:
        """Return the figures of legacy."""
        return self.arms[Arm.LEGACY]

    @property
    def seconds(self) -> float:
        """Return the length of the ledger's buckets that begin in this time."""
        return (next_bucket(self.until) - next_bucket(self.since)).total_seconds()

    def both(self, count: str) -> int:
        """Return one of the ledger's counts, summed over both arms."""
        return sum(arm.counts[count] for arm in self.arms.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class StageInterval:
    """An endpoint's time in one stage, from its STAGE event until the decision or the run's end.

    `decision` is the PASS, FAIL or LEAVE event, or None if there is none.
    """

    endpoint: str
    stage: int
    percent: float
    opened: RolloutEvent
    decision: RolloutEvent | None
    figures: Figures

    @property
    def outcome(self) -> StageOutcome:
        """Return how the stage ended."""
        return OUTCOMES[self.decision.kind] if self.decision else StageOutcome.OPEN

    @property
    def evidence(self) -> Evidence | None:
        """Return the evidence of the decision, or None if it has none."""
        return recorded_evidence(self.decision)

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Return the gates of the decision."""
        found = self.decision.evidence.get("gates", ()) if self.decision else ()
        return convert(found, tuple[Gate, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartPoint:
    """The counts of both arms of an endpoint in the `seconds` from `at` on."""

    at: datetime
    seconds: float
    domain: Tally
    legacy: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRecord:
    """One endpoint in a run: its stages in order, its figures and its chart of the whole run."""

    name: str
    progress: EndpointProgress
    stages: tuple[StageInterval, ...]
    figures: Figures
    points: tuple[ChartPoint, ...]

    @property
    def decided(self) -> list[tuple[StageInterval, RolloutEvent, Evidence]]:
        """Return each stage that was decided by evidence, with its decision and the evidence."""
        found = ((stage, stage.decision, stage.evidence) for stage in self.stages)
        return [(stage, event, evidence) for stage, event, evidence in found if event and evidence]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run from `since`, where the ledger's bucket of its START begins, until its END.

    If the run has not ended, `until` is the time of its newest event or ledger bucket. `events` are
    the run's own, oldest first. `other_events` changed its endpoints or warned of them meanwhile.
    `step` is the distance of two chart points.
    """

    run: Run
    since: datetime
    until: datetime
    step: timedelta
    events: tuple[RolloutEvent, ...]
    other_events: tuple[RolloutEvent, ...]
    endpoints: tuple[EndpointRecord, ...]

    @property
    def stages(self) -> list[StageInterval]:
        """Return the stages of all endpoints."""
        return [stage for endpoint in self.endpoints for stage in endpoint.stages]


def recorded_evidence(decision: RolloutEvent | None) -> Evidence | None:
    """Return the evidence that a decision recorded, or None if there is none."""
    found = decision.evidence.get("evidence") if decision else None
    return convert(found, Evidence) if found else None


def next_bucket(moment: datetime) -> datetime:
    """Return when the first bucket of the ledger begins that is not before a moment."""
    return moment + (EPOCH - moment) % BUCKET
