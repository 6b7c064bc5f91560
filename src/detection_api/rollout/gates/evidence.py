"""The measurements of an endpoint in a window of time, for gates and reports.

`measurement.py` makes them. Events store these classes as their evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from detection_api.canary.comparison import Kind
from detection_api.canary.state import AcceptedDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSnapshot:
    """An endpoint's counts at the begin of a window."""

    branches: Mapping[str, int]
    mismatches: tuple[tuple[str, str, int, int], ...]
    """Path, kind, count, accepted count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time since an endpoint was set to `percent` from `percent_before`."""

    endpoint: str
    percent: float
    percent_before: float
    since: datetime
    epoch: int
    before: EndpointSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Percentiles of `count` runs in milliseconds, exact to 5%; None if there are no runs.

    The true P95 is between `p95_low_ms` and `p95_high_ms` with 95% confidence; a bound is None if
    there are too few runs for it. Method: order statistics, normal approximation.
    """

    count: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    p95_low_ms: float | None
    p95_high_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmEvidence:
    """One arm's counts by name, failures by cause, and times.

    `latency` is of runs for clients, `shadow` of runs for comparisons. A fallback counts for
    legacy, which answered; its failure counts for the domain.
    """

    counts: Mapping[str, int]
    failures: Mapping[str, int]
    comparisons: Mapping[str, int]
    latency: Latency
    shadow: Latency

    @property
    def judged(self) -> int:
        """Requests that the guard judged: all except forced requests and outages of both arms."""
        return self.counts["good"] + self.counts["bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """One kind of difference in the window, its count and its accepted count."""

    path: str
    kind: str
    count: int
    accepted: int
    samples: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardEvidence:
    """The fleet guard's points to advance, its verdict, and the signals that are on.

    `alarms` are the ids of its WARN and HOLD events in the window, also of those that are over.
    """

    points: int
    verdict: str
    on: tuple[str, ...]
    alarms: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEvidence:
    """A worker that has reported, whether it applies the window's percent, and its vitals."""

    worker: str
    uptime: float
    applies: bool
    vitals: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All measurements of an endpoint from `since` until `until`.

    `branches` counts how many compared answers took each branch. `branches_missing` were not taken
    and are not excused. `branches_excused` has the id of the accepted difference that excuses each.
    `latency_excused` is the id of the one that accepts a domain slower than legacy.
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
        """The length of the window."""
        return (self.until - self.since).total_seconds()

    @property
    def unaccepted(self) -> tuple[Differing, ...]:
        """The mismatches that are not accepted, except timeouts."""
        return tuple(d for d in self.mismatches if d.count and d.kind != Kind.TIMEOUT.value)

    @property
    def timeouts(self) -> int:
        """Comparisons in which the domain timed out, unless that is accepted."""
        return sum(d.count for d in self.mismatches if d.kind == Kind.TIMEOUT.value)

    @property
    def compared(self) -> int:
        """Comparisons, except those whose data moved meanwhile."""
        return sum(
            arm.counts["compared"] - arm.counts["noise"] for arm in (self.domain, self.legacy)
        )
