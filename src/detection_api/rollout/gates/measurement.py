"""Measure an endpoint in a window of time: `gather` reads everything once, `measure` is pure.

Requests, failures and times come from the ledger's rows in the window. Mismatches and branches have
totals only: their counts are the growth since the `EndpointSnapshot` at the begin of the window.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from detection_api.canary.comparison import find_excuse
from detection_api.canary.fleet import FLEET, REPLAY
from detection_api.canary.guard import (
    ArmSample,
    Guard,
    Sample,
    Signal,
    advance_points,
    severest,
)
from detection_api.canary.state import (
    COUNTS,
    AcceptedDifference,
    Arm,
    EventKind,
    LedgerRow,
    Mismatch,
    RolloutEvent,
    Shared,
    Store,
    Tally,
    Worker,
    at_rank,
    effective,
    percentile,
    seconds_of,
)
from detection_api.rollout.gates.evidence import (
    ArmEvidence,
    Differing,
    EndpointSnapshot,
    Evidence,
    GuardEvidence,
    Latency,
    Window,
    WorkerEvidence,
)

BRANCH = "branch"
"""The kind of an accepted difference that excuses an unexercised branch of the contract. Its path
is the branch."""
LATENCY = "latency"
"""The kind of an accepted difference that excuses a domain slower than legacy, as if legacy answers
from memory. Its path is `$`."""
SAMPLES = 2
"""Samples of each mismatch that evidence keeps."""
EVENTS = 200
"""The number of newest events that are searched for alarms."""
LONGEST_REPLAY = timedelta(hours=1)
"""The guard replays at most this much of a window; its tests forget older requests."""
CONFIDENCE = 1.96
"""Standard deviations on each side of the mean for 95% confidence."""
P95 = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Everything in the store that measurements need, at one moment."""

    at: datetime
    shared: Shared
    workers: Sequence[Worker]
    rows: Sequence[LedgerRow]
    mismatches: Sequence[Mismatch]
    branches: Mapping[tuple[str, str], int]
    events: Sequence[RolloutEvent]

    def snapshot(self, endpoint: str) -> EndpointSnapshot:
        """Return an endpoint's counts at that moment."""
        return EndpointSnapshot(
            branches={b: n for (name, b), n in sorted(self.branches.items()) if name == endpoint},
            mismatches=tuple(
                (m.path, m.kind, m.count, m.accepted)
                for m in self.mismatches
                if m.endpoint == endpoint
            ),
        )


def gather(store: Store, since: datetime | None = None) -> Gathered:
    """Read everything. The ledger is read for windows from `since` on; not at all if it is None."""
    rows = store.ledger(timedelta() if since is None else since - REPLAY)
    return Gathered(
        at=store.now(),
        shared=store.read(),
        workers=store.workers(),
        rows=rows,
        mismatches=store.mismatches(),
        branches=store.branches(),
        events=store.events(limit=EVENTS),
    )


def measure(gathered: Gathered, window: Window, contract: Iterable[str]) -> Evidence:
    """Measure an endpoint whose contract has these branches.

    A bucket of the ledger that began before the window is left out, because some of its requests
    were answered at the previous percent.
    """
    endpoint = window.endpoint
    rows = [row for row in gathered.rows if row.endpoint == endpoint]
    inside = [row for row in rows if row.bucket >= window.since]
    arms = {arm: arm_evidence(sum_up(row for row in inside if row.arm == arm.value)) for arm in Arm}
    accepted = tuple(d for d in gathered.shared.accepted if d.endpoint == endpoint)
    taken = _grown_branches(gathered.snapshot(endpoint).branches, window.before.branches)
    untaken = sorted(set(contract) - set(taken))
    excused = {b: d.id for b in untaken if (d := excuse_of_branch(accepted, endpoint, b))}
    return Evidence(
        endpoint=endpoint,
        percent=window.percent,
        since=window.since,
        until=gathered.at,
        domain=arms[Arm.DOMAIN],
        legacy=arms[Arm.LEGACY],
        mismatches=tuple(_grown_mismatches(gathered, window, accepted)),
        branches=taken,
        branches_missing=tuple(branch for branch in untaken if branch not in excused),
        branches_excused=excused,
        latency_excused=late.id if (late := excuse_of_latency(accepted, endpoint)) else None,
        accepted=accepted,
        guard=_guard(gathered, window, rows, arms[Arm.DOMAIN]),
        workers=tuple(_worker(worker, window) for worker in gathered.workers),
    )


def excuse_of_branch(
    accepted: Iterable[AcceptedDifference], endpoint: str, branch: str
) -> AcceptedDifference | None:
    """Return the acceptance of an unexercised branch, or None; only the kind BRANCH counts."""
    return find_excuse((d for d in accepted if d.kind == BRANCH), endpoint, branch, BRANCH)


def excuse_of_latency(
    accepted: Iterable[AcceptedDifference], endpoint: str
) -> AcceptedDifference | None:
    """Return the acceptance of a domain slower than legacy, or None."""
    return next((d for d in accepted if d.endpoint == endpoint and d.kind == LATENCY), None)


def sum_up(rows: Iterable[LedgerRow]) -> Tally:
    """Return the sum of all rows."""
    total = Tally()
    for row in rows:
        total.add(row.tally)
    return total


def latency(histogram: Mapping[int, int]) -> Latency:
    """Return the percentiles of a histogram."""
    count = sum(histogram.values())
    spread = CONFIDENCE * math.sqrt(count * P95 * (1 - P95))
    low, high = math.floor(count * P95 - spread), math.ceil(count * P95 + spread)
    return Latency(
        count=count,
        p50_ms=_ms(percentile(histogram, 50)),
        p95_ms=_ms(percentile(histogram, 95)),
        p99_ms=_ms(percentile(histogram, 99)),
        p95_low_ms=_ms(at_rank(histogram, low)) if low > 0 else None,
        p95_high_ms=_ms(at_rank(histogram, high)),
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def arm_evidence(tally: Tally) -> ArmEvidence:
    """Return the evidence of an arm with these counts."""
    return ArmEvidence(
        counts={name: getattr(tally, name) for name in COUNTS},
        failures=tally.failures,
        comparisons=tally.comparisons,
        latency=latency(tally.latency),
        shadow=latency(tally.shadow),
    )


def _grown_branches(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    grown = {branch: count - before.get(branch, 0) for branch, count in now.items()}
    return {branch: count for branch, count in grown.items() if count > 0}


def _grown_mismatches(
    gathered: Gathered, window: Window, accepted: Iterable[AcceptedDifference]
) -> Iterable[Differing]:
    """Yield the window's mismatches; an acceptance also covers those found before it."""
    before = {(path, kind): counts for path, kind, *counts in window.before.mismatches}
    for found in gathered.mismatches:
        if found.endpoint != window.endpoint:
            continue
        count_before, accepted_before = before.get((found.path, found.kind), (0, 0))
        count, excused = found.count - count_before, found.accepted - accepted_before
        if find_excuse(accepted, found.endpoint, found.path, found.kind):
            count, excused = 0, excused + count
        if count or excused:
            yield Differing(
                path=found.path,
                kind=found.kind,
                count=count,
                accepted=excused,
                samples=tuple(found.samples[-SAMPLES:]),
            )


def _guard(
    gathered: Gathered, window: Window, rows: Iterable[LedgerRow], domain: ArmEvidence
) -> GuardEvidence:
    """Replay the fleet's guard from the point where a new leader would start.

    A batch of ten seconds raises fewer points than single requests do. So a signal that raised an
    alarm in the window counts as on until its points are back at 0.
    """
    guard = _replayed(gathered, window, rows)
    points = guard.points()
    alarms = [event for event in gathered.events if _is_alarm(event, window)]
    alarmed = {Signal(event.evidence["signal"]) for event in alarms}
    on = [s for s in Signal if s in guard.on() or (s in alarmed and points[s] > 0)]
    return GuardEvidence(
        points=advance_points(domain.counts["good"], domain.counts["bad"]),
        verdict=severest(on).value,
        on=tuple(signal.value for signal in on),
        alarms=tuple(sorted(event.id for event in alarms)),
    )


def _replayed(gathered: Gathered, window: Window, rows: Iterable[LedgerRow]) -> Guard:
    resumed_at = effective(gathered.shared.states, window.endpoint).resumed_at
    begin = max(filter(None, (window.since - REPLAY, gathered.at - LONGEST_REPLAY, resumed_at)))
    guard = Guard()
    counted = (row for row in rows if row.bucket >= begin)
    for bucket, group in groupby(counted, key=lambda row: row.bucket):
        sides = {row.arm: _side(row.tally) for row in group}
        percent = window.percent if bucket >= window.since else window.percent_before
        guard.add(
            Sample(
                domain=sides.get(Arm.DOMAIN.value, ArmSample()),
                legacy=sides.get(Arm.LEGACY.value, ArmSample()),
                share=percent / 100,
            )
        )
    return guard


def _side(tally: Tally) -> ArmSample:
    seconds = {seconds_of(index): count for index, count in tally.latency.items()}
    return ArmSample(bad=tally.bad, good=tally.good, slow=tally.slow, seconds=seconds)


def _is_alarm(event: RolloutEvent, window: Window) -> bool:
    return (
        event.endpoint == window.endpoint
        and event.by == FLEET
        and event.kind in (EventKind.WARN, EventKind.HOLD)
        and event.at is not None
        and event.at >= window.since
    )


def _worker(worker: Worker, window: Window) -> WorkerEvidence:
    heartbeat = worker.heartbeat
    return WorkerEvidence(
        worker=heartbeat.worker,
        uptime=heartbeat.uptime,
        applies=heartbeat.epochs.get(window.endpoint, -1) >= window.epoch,
        vitals=heartbeat.vitals,
    )
