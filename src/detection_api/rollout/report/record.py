"""Everything that the record has of a run, and nothing that changes later: see `reading.py`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from detection_api.canary.state import BUCKET_SECONDS, Arm, EventKind, RolloutEvent, Tally, convert
from detection_api.rollout.gates import ArmEvidence, Evidence, Gate
from detection_api.rollout.run import Run

BUCKET = timedelta(seconds=BUCKET_SECONDS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EndpointOutcome(Enum):
    """What became of an endpoint in a stage."""

    PASSED = "passed"
    FAILED = "failed"
    LEFT = "left"
    """Neither passed nor failed; left behind as it stood."""
    OPEN = "open"
    """Not decided: the run has not got so far, or was ended."""


OUTCOMES = {
    EventKind.PASS: EndpointOutcome.PASSED,
    EventKind.FAIL: EndpointOutcome.FAILED,
    EventKind.LEAVE: EndpointOutcome.LEFT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Both arms' figures, and whether they are an event's because the ledger has forgotten."""

    domain: ArmEvidence
    legacy: ArmEvidence
    forgotten: bool = False

    @property
    def both(self) -> tuple[tuple[Arm, ArmEvidence], ...]:
        """The domain, then legacy."""
        return ((Arm.DOMAIN, self.domain), (Arm.LEGACY, self.legacy))


@dataclass(frozen=True, slots=True, kw_only=True)
class StageInterval:
    """An endpoint's time in a stage: `since` its STAGE `until` what was decided, or the run's end.

    `decided` is the PASS, FAIL or LEAVE.
    """

    endpoint: str
    stage: int
    percent: float
    since: datetime
    until: datetime
    opened: RolloutEvent
    decided: RolloutEvent | None

    @property
    def outcome(self) -> EndpointOutcome:
        """What became of it."""
        return OUTCOMES[self.decided.kind] if self.decided else EndpointOutcome.OPEN

    @property
    def evidence(self) -> Evidence | None:
        """What was measured when it was decided, where anything was."""
        found = self.decided.evidence.get("evidence") if self.decided else None
        return convert(found, Evidence) if found else None

    @property
    def gates(self) -> tuple[Gate, ...]:
        """What the gates said then."""
        found = self.decided.evidence.get("gates", ()) if self.decided else ()
        return convert(found, tuple[Gate, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartPoint:
    """What both arms of an endpoint did in the `seconds` from `at` on."""

    at: datetime
    seconds: float
    domain: Tally
    legacy: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run, from `since`, the beginning of the bucket of its START, `until` its END.

    Of a run that has not ended `until` is the newest word of it. `events` are its own, oldest
    first; `around` what others changed and the guard said of its endpoints meanwhile. `figures` are
    by endpoint and stage, `totals` by endpoint, the whole run's.
    """

    run: Run
    since: datetime
    until: datetime
    events: tuple[RolloutEvent, ...]
    around: tuple[RolloutEvent, ...]
    stays: tuple[StageInterval, ...]
    figures: Mapping[tuple[str, int], Arms]
    totals: Mapping[str, Arms]
    points: Mapping[str, Sequence[ChartPoint]]
    step: timedelta

    @property
    def endpoints(self) -> list[str]:
        """Those that the run is about."""
        return sorted(self.run.plan.endpoints)

    def of(self, endpoint: str) -> list[StageInterval]:
        """An endpoint's stages, in order."""
        return [stay for stay in self.stays if stay.endpoint == endpoint]


def covered(since: datetime, until: datetime) -> float:
    """Seconds of the ledger's buckets that begin from `since` on, and before `until`."""
    return (next_bucket(until) - next_bucket(since)).total_seconds()


def next_bucket(moment: datetime) -> datetime:
    """The first beginning of a bucket that is not before a moment."""
    return moment + (_EPOCH - moment) % BUCKET
