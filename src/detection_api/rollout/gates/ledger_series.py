"""Turn the ledger into series over time, for charts; pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from detection_api.canary.state import Key, LedgerRow, Tally
from detection_api.rollout.gates.evidence import Latency
from detection_api.rollout.gates.measurement import latency


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """An arm's counts in the bucket that begins at `begins`.

    `failures` counts the arm's failures, also those that a fallback hid. `fallbacks` counts its
    answers after the other arm had failed. `latency` excludes forced requests.
    """

    begins: datetime
    requests: int
    forced: int
    failures: int
    failures_by_cause: Mapping[str, int]
    fallbacks: int
    outages: int
    compared: int
    mismatched: int
    latency: Latency


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The points of an endpoint's arm; buckets without counts are left out."""

    endpoint: str
    arm: str
    points: list[Point]


def series(rows: Iterable[LedgerRow]) -> list[Series]:
    """Return the series of the ledger's rows, which are ordered by time."""
    points: defaultdict[Key, list[Point]] = defaultdict(list)
    for row in rows:
        points[row.endpoint, row.arm].append(_point(row.bucket, row.tally))
    return [
        Series(endpoint=endpoint, arm=arm, points=found)
        for (endpoint, arm), found in sorted(points.items())
    ]


def _point(begins: datetime, tally: Tally) -> Point:
    return Point(
        begins=begins,
        requests=tally.requests,
        forced=tally.forced,
        failures=sum(tally.failures.values()),
        failures_by_cause=tally.failures,
        fallbacks=tally.fallbacks,
        outages=tally.outages,
        compared=tally.compared,
        mismatched=tally.mismatched,
        latency=latency(tally.latency),
    )
