"""Computes the console's rows, concerns and chart points from a snapshot; pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from detection_api.canary.guard import LATE_RATIO, SLOW_SECONDS
from detection_api.canary.state import BUCKET_SECONDS, DEFAULT, Arm, LedgerRow, Status, Tally
from detection_api.console.data.history import WINDOW
from detection_api.console.data.snapshot import ConsoleSnapshot
from detection_api.rollout.overview import EndpointStatus, WorkerStatus
from detection_api.services import metrics

MINUTE = timedelta(minutes=1)
BUCKET = timedelta(seconds=BUCKET_SECONDS)
CAUSES = tuple(Tally().failures)
FAILING = 0.01
"""An operator should act if a larger share of the domain's requests fails."""
ENOUGH = 20
"""Requests without which a P95 says nothing."""
SILENT = 5.0
"""Seconds without a word after which a worker is shown as silent; they tell every second."""

_NOTHING: Mapping[str, Any] = metrics.period([(("", ""), Tally())], 1.0)["endpoints"][0]
"""The measurements of an arm without requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRow:
    """An endpoint's state, and its measurements of the last five minutes.

    `per_second` (requests) and `share` (0..1, the domain's part of the answers) cover the last
    minute. `failures` counts the domain's failures; `fallbacks` counts those that legacy
    answered. Durations are in ms. If `is_excused`, the domain may be slower than legacy.
    """

    status: EndpointStatus
    per_second: float
    share: float | None
    requests: int
    failures: int
    causes: Mapping[str, int]
    fallbacks: int
    outages: int
    domain_p95: float | None
    legacy_p95: float | None
    is_excused: bool
    compared: int
    mismatched: int

    @property
    def name(self) -> str:
        """Return the endpoint's name."""
        return self.status.state.endpoint

    @property
    def percent(self) -> float:
        """Return the percent (0..100) that the environment or else the state sets."""
        return self.status.state.percent if self.status.pinned is None else self.status.pinned

    @property
    def is_failing(self) -> bool:
        """Return whether the domain fails more often than an operator should accept."""
        return self.failures > FAILING * self.requests

    @property
    def is_slow(self) -> bool:
        """Return whether the domain's P95 exceeds the guard's limit or legacy's P95 too far.

        As in the gate `latency`, an operator's acceptance lifts only the comparison with legacy.
        """
        domain, legacy = self.domain_p95, self.legacy_p95
        if domain is None or self.requests < ENOUGH:
            return False
        is_late = legacy is not None and domain > LATE_RATIO * legacy
        return domain > SLOW_SECONDS * 1000 or (is_late and not self.is_excused)


def rows(snapshot: ConsoleSnapshot) -> list[EndpointRow]:
    """Return a row for each endpoint in the overview's order, without the default."""
    recent = _by_endpoint(snapshot, metrics.RECENT)
    minute = _by_endpoint(snapshot, MINUTE)
    return [
        _row(status, recent[name], minute[name], is_excused=name in snapshot.excused)
        for status in snapshot.overview.endpoints
        if (name := status.state.endpoint) != DEFAULT
    ]


def _by_endpoint(snapshot: ConsoleSnapshot, period: timedelta) -> Mapping[str, Mapping[str, Any]]:
    """Return the measurements of the last `period` by endpoint and arm."""
    since = snapshot.at - period
    counted = (((row.endpoint, row.arm), row.tally) for row in snapshot.rows if row.bucket >= since)
    found: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for each in metrics.period(counted, period.total_seconds())["endpoints"]:
        found[each["endpoint"]][each["arm"]] = each
    return found


def _row(
    status: EndpointStatus,
    recent: Mapping[str, Any],
    minute: Mapping[str, Any],
    *,
    is_excused: bool,
) -> EndpointRow:
    domain, legacy = _arms(recent)
    return EndpointRow(
        status=status,
        per_second=sum(each["requests_per_second"] for each in minute.values()),
        share=_share(*_arms(minute)),
        requests=domain["requests"],
        failures=domain["failures"],
        causes={cause: n for cause, n in domain["failures_by_cause"].items() if n},
        fallbacks=legacy["fallbacks"],
        outages=domain["outages"] + legacy["outages"],
        domain_p95=domain["p95_ms"],
        legacy_p95=legacy["p95_ms"],
        is_excused=is_excused,
        compared=domain["compared"] + legacy["compared"],
        mismatched=domain["mismatched"] + legacy["mismatched"],
    )


def _arms(measured: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return measured.get(Arm.DOMAIN.value, _NOTHING), measured.get(Arm.LEGACY.value, _NOTHING)


def _share(domain: Mapping[str, Any], legacy: Mapping[str, Any]) -> float | None:
    """Return the domain's share (0..1) of the answers; a fallback counts as legacy's."""
    answers = sum(arm["requests"] - arm["outages"] for arm in (domain, legacy))
    by_domain = domain["requests"] - domain["outages"] - legacy["fallbacks"] + domain["fallbacks"]
    return max(0.0, min(1.0, by_domain / answers)) if answers else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """A fact that an operator should know; `text` is a key of the console's texts.

    A `grave` concern affects clients or the fleet now; the others affect the rollout.
    """

    text: str
    grave: bool = False
    endpoint: str = ""
    facts: Mapping[str, object]


def concerns(snapshot: ConsoleSnapshot, found: Iterable[EndpointRow]) -> list[Concern]:
    """Return what needs an operator, the gravest first."""
    every = [*_of_fleet(snapshot), *(each for row in found for each in _of_endpoint(row))]
    default = snapshot.overview.endpoints[0].state
    if default.status is Status.ROLLED_BACK:
        every = [concern for concern in every if concern.text != "is_rolled_back"]
        every.append(Concern(text="all_rolled_back", facts={"reason": default.reason}))
    return sorted(every, key=lambda concern: not concern.grave)


def _of_fleet(snapshot: ConsoleSnapshot) -> Iterator[Concern]:
    workers = snapshot.overview.workers
    heard = [worker for worker in workers if not is_silent(worker)]
    if not snapshot.overview.use_domain:
        yield Concern(text="kill_switch_on", grave=True, facts={})
    if not workers:
        yield Concern(text="no_workers", grave=True, facts={})
    if lagging := sum(bool(worker.behind) for worker in heard):
        facts = {"count": lagging, "all": len(heard)}
        yield Concern(text="workers_lag", grave=True, facts=facts)
    if len(heard) < len(workers):
        yield Concern(text="workers_silent", facts={"count": len(workers) - len(heard)})
    if snapshot.overview.strays:
        yield Concern(text="strays", facts={"names": ", ".join(snapshot.overview.strays)})


def _of_endpoint(row: EndpointRow) -> Iterator[Concern]:
    if row.outages:
        yield _concern("outages", row, grave=True, count=row.outages)
    if row.is_failing:
        share = row.failures / row.requests if row.requests else 1.0
        facts = {"count": row.failures, "share": share, "fallbacks": row.fallbacks}
        yield _concern("failing", row, grave=row.status.state.status.exposes, **facts)
    if row.status.state.status is Status.ROLLED_BACK:
        yield _concern("is_rolled_back", row, reason=row.status.state.reason)
    if row.is_slow and row.status.state.status.exposes:
        yield _concern("slow", row, domain=row.domain_p95, legacy=row.legacy_p95)
    if row.mismatched:
        yield _concern("mismatched", row, count=row.mismatched, compared=row.compared)


def _concern(text: str, row: EndpointRow, *, grave: bool = False, **facts: object) -> Concern:
    return Concern(text=text, grave=grave, endpoint=row.name, facts=facts)


def is_silent(worker: WorkerStatus) -> bool:
    """Return whether a worker's heartbeat is overdue: it has ended, or it hangs."""
    return worker.silent > SILENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """A minute of the chart; `exposure` (0..100) is the domain's share of decided requests.

    `failures` counts the domain's failures in the order of CAUSES.
    """

    begins: datetime
    exposure: float | None
    failures: tuple[int, ...]


def minutes(snapshot: ConsoleSnapshot, endpoint: str | None = None) -> tuple[Minute, ...]:
    """Return the minutes of the last hour, oldest first, for one endpoint or for all.

    Leaves out buckets that workers still fill, so that a chart changes once per bucket.
    """
    now = snapshot.at.replace(second=0, microsecond=0)
    counted: defaultdict[datetime, list[LedgerRow]] = defaultdict(list)
    for row in snapshot.rows:
        if endpoint in (None, row.endpoint) and row.bucket + BUCKET <= snapshot.at:
            counted[row.bucket.replace(second=0, microsecond=0)].append(row)
    starts = (now - n * MINUTE for n in range(WINDOW // MINUTE - 1, -1, -1))
    return tuple(_minute(start, counted[start]) for start in starts)


def _minute(start: datetime, rows: list[LedgerRow]) -> Minute:
    domain = [row.tally for row in rows if row.arm == Arm.DOMAIN.value]
    requests = sum(row.tally.requests for row in rows)
    return Minute(
        begins=start,
        exposure=100 * sum(tally.requests for tally in domain) / requests if requests else None,
        failures=tuple(sum(tally.failures[cause] for tally in domain) for cause in CAUSES),
    )
