"""What was measured of an endpoint in a window of time: what gates judge and reports tell.

`measure.py` makes it. Everything in here goes into an event's evidence as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from detection_api.canary.comparison import Kind
from detection_api.canary.state import AcceptedDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSnapshot:
    """What had been counted of an endpoint when a window began."""

    branches: Mapping[str, int]
    mismatches: tuple[tuple[str, str, int, int], ...]
    """Path, kind, how often it counted, how often it was accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time since an endpoint was put to `percent` from `percent_before`."""

    endpoint: str
    percent: float
    percent_before: float
    since: datetime
    epoch: int
    before: EndpointSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Percentiles in milliseconds of `count` runs, to 5%; None without any.

    The true P95 is within `p95_low_ms` and `p95_high_ms` with 95% confidence; None where there are
    too few runs to bound it. Source: order statistics, the binomial taken for normal.
    """

    count: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    p95_low_ms: float | None
    p95_high_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmEvidence:
    """What one arm did: the ledger's counts by name, failures by cause, and how long it took.

    `latency` is of runs for clients, `shadow` of those that were made to be compared. A fallback
    is counted for legacy, which answered; the failure behind it for the domain.
    """

    counts: Mapping[str, int]
    failures: Mapping[str, int]
    comparisons: Mapping[str, int]
    latency: Latency
    shadow: Latency

    @property
    def judged(self) -> int:
        """Requests that the guard judged: no forced ones, and no outages of both arms."""
        return self.counts["good"] + self.counts["bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """In which way the arms differed in the window, how often, and how often that was accepted."""

    path: str
    kind: str
    count: int
    accepted: int
    samples: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardEvidence:
    """What the fleet's guard says: the points that permit to advance, and the signals on.

    `alarms` are the ids of its WARN and HOLD events in the window, on still or not.
    """

    points: int
    verdict: str
    on: tuple[str, ...]
    alarms: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEvidence:
    """A worker that was heard from: whether it applies the window's percent, and its vitals."""

    worker: str
    uptime: float
    applies: bool
    vitals: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that was measured of an endpoint from `since` until `until`.

    `branches` were taken by answers that were compared, `branches_missing` by none of them and
    excused by nothing, `branches_excused` are excused by the accepted difference of that id.
    `latency_excused` is the one that excuses the domain from being as fast as legacy.
    """

    endpoint: str
    percent: float
    since: datetime
    until: datetime
    domain: ArmEvidence
    legacy: ArmEvidence
    mismatches: tuple[Differing, ...]
    branches: Mapping[str, int]
    branches_missing: tuple[str, ...]
    branches_excused: Mapping[str, int]
    latency_excused: int | None
    accepted: tuple[AcceptedDifference, ...]
    guard: GuardEvidence
    workers: tuple[WorkerEvidence, ...]

    @property
    def seconds(self) -> float:
        """How long the window is."""
        return (self.until - self.since).total_seconds()

    @property
    def unaccepted(self) -> tuple[Differing, ...]:
        """The mismatches that nothing excuses, but for timeouts."""
        return tuple(d for d in self.mismatches if d.count and d.kind != Kind.TIMEOUT.value)

    @property
    def timeouts(self) -> int:
        """Comparisons in which the domain reached its time limit, and nothing excuses that."""
        return sum(d.count for d in self.mismatches if d.kind == Kind.TIMEOUT.value)

    @property
    def compared(self) -> int:
        """Comparisons that say something: of data that moved meanwhile none does."""
        return sum(
            arm.counts["compared"] - arm.counts["noise"] for arm in (self.domain, self.legacy)
        )
