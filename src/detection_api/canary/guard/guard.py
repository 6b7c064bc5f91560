"""Decides when an endpoint is rolled back, held or warned about; pure, and O(1) per request.

`cusum.py` has the tests, `alarms.py` the signals. Requests that were counted elsewhere come as
samples.
"""

import threading
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from detection_api.canary.guard.alarms import (
    MAX_BATCHES,
    MAX_IDS,
    PARAMETERS,
    Alarm,
    Signal,
    Verdict,
    Watch,
    replay,
)
from detection_api.canary.guard.cusum import Cusum, Wealth
from detection_api.canary.guard.slo import LATE_RATIO, SLOW_SECONDS

__all__ = [
    "MAX_BATCHES",
    "MAX_IDS",
    "PARAMETERS",
    "Alarm",
    "ArmSample",
    "Cusum",
    "Guard",
    "Sample",
    "Signal",
    "Verdict",
    "Wealth",
    "advance_points",
    "may_advance",
    "replay",
    "severest",
]

P95_START, P95_OVER, P95_WITHIN = 0.5, 1.019, 0.999
"""Legacy's running P95 starts at P95_START seconds. A slower legacy request multiplies it by
P95_OVER, any other one by P95_WITHIN. The two balance if 5% of the requests are slower."""
ADVANCE_POINTS, ADVANCE_COST = 112, 40
"""Points that permit to advance, and the cost of a bad request; a good one earns 1. A domain that
fails 5% of its requests or more reaches them with a probability below 1%."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSample:
    """The judged requests of one arm: `bad` or `good`, and `slow` ones among both.

    `seconds` is a histogram: the number of requests by latency. `request_ids` are the known ids of
    bad requests, in order.
    """

    bad: int = 0
    good: int = 0
    slow: int = 0
    seconds: Mapping[float, int] = field(default_factory=dict)
    request_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Requests that were counted elsewhere; the domain got `share` (0..1) of them."""

    domain: ArmSample
    legacy: ArmSample
    share: float
    mismatched: int = 0
    """Compared answers that differ from legacy's, unless the difference is accepted."""
    matched: int = 0
    """Compared answers that are equal to legacy's, or differ in an accepted way."""


class Guard:
    """Watches one endpoint until an operator resumes it; then a new guard replaces this one.

    Safe under threads. The caller leaves out forced requests, outages, and each client's failures
    beyond one in 10 s.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._p95 = P95_START
        self._watches = {signal: Watch(signal) for signal in Signal}
        self._failing, self._erring, self._slow, self._worse, self._slower, self._differing = (
            self._watches.values()
        )
        self._ordinary, self._share = 0, 0.0

    def domain(self, bad: bool, seconds: float, share: float, request_id: str) -> tuple[Alarm, ...]:
        """Judge a request to the domain that took `seconds`; return the alarms that it raises.

        `share` (0..1) is the domain's share of all requests at the time.
        """
        judged = 0 if bad else 1
        slow = 0 if seconds > SLOW_SECONDS else 1
        with self._lock:
            late = 0 if seconds > LATE_RATIO * self._p95 else 1
            if judged and slow and late and share == self._share:
                self._ordinary += 1
                return ()
            self._settle(share)
            return _alarms(
                self._failing.one(judged, request_id),
                self._erring.one(judged, request_id),
                self._slow.one(slow, request_id),
                self._worse.one(judged, request_id, share),
                self._slower.one(late, request_id, share),
            )

    def legacy(self, bad: bool, seconds: float, share: float, request_id: str) -> tuple[Alarm, ...]:
        """Judge a request to legacy that took `seconds`; see `domain`."""
        judged = 2 if bad else 3
        with self._lock:
            is_over = seconds > self._p95
            self._p95 *= P95_OVER if is_over else P95_WITHIN
            if share != self._share:
                self._settle(share)
            return _alarms(
                self._worse.one(judged, request_id, share),
                self._slower.one(2 if is_over else 3, request_id, share),
            )

    def comparison(self, is_mismatch: bool, request_id: str) -> tuple[Alarm, ...]:
        """Judge a compared answer; return the alarms that it raises."""
        with self._lock:
            return _alarms(self._differing.one(0 if is_mismatch else 1, request_id))

    def add(self, batch: Sample) -> tuple[Alarm, ...]:
        """Judge many requests at once; return the alarms that they raise."""
        domain, legacy, share = batch.domain, batch.legacy, batch.share
        judged = (domain.bad, domain.good)
        slow = (domain.slow, domain.bad + domain.good - domain.slow)
        ids = domain.request_ids
        with self._lock:
            self._settle(share)
            late = _beyond(LATE_RATIO * self._p95, domain.seconds)
            over = _beyond(self._p95, legacy.seconds)
            self._p95 = _follow(self._p95, legacy.seconds)
            return _alarms(
                self._failing.many(judged, ids),
                self._erring.many(judged, ids),
                self._slow.many(slow, ()),
                self._worse.many(
                    (*judged, legacy.bad, legacy.good), ids + legacy.request_ids, share
                ),
                self._slower.many(late + over, (), share),
                self._differing.many((batch.mismatched, batch.matched), ()),
            )

    @property
    def verdict(self) -> Verdict:
        """The most severe verdict of the signals that are on; ROLLBACK stays."""
        return severest(self.on())

    def on(self) -> tuple[Signal, ...]:
        """Return the signals that are on."""
        with self._lock:
            self._settle(self._share)
            return tuple(signal for signal, watch in self._watches.items() if watch.is_on())

    def points(self) -> dict[Signal, float]:
        """Return each test's points: in good requests for a Cusum, in nats for a Wealth."""
        with self._lock:
            self._settle(self._share)
            return {signal: watch.points() for signal, watch in self._watches.items()}

    def _settle(self, share: float) -> None:
        """Give the watches the ordinary requests, and set a new share.

        The order of requests that raise no points does not matter, so legacy's need not wait.
        """
        if self._ordinary:
            good = (0, self._ordinary)
            self._failing.many(good, ())
            self._erring.many(good, ())
            self._slow.many(good, ())
            self._worse.many(good, (), self._share)
            self._slower.many(good, (), self._share)
        self._ordinary, self._share = 0, share


def severest(signals: Iterable[Signal]) -> Verdict:
    """Return the verdict while these signals are on."""
    verdicts = (signal.verdict for signal in signals)
    return max(verdicts, key=list(Verdict).index, default=Verdict.OK)


def _alarms(*found: Alarm | None) -> tuple[Alarm, ...]:
    return tuple(filter(None, found))


def _beyond(limit: float, seconds: Mapping[float, int]) -> tuple[int, int]:
    """Return how many latencies of a histogram are over the limit, and how many are not."""
    over = sum(count for latency, count in seconds.items() if latency > limit)
    return over, sum(seconds.values()) - over


def _follow(p95: float, seconds: Mapping[float, int]) -> float:
    """Return the running P95 after a histogram's requests, each taken as the average of them.

    Taken one by one, the last latencies would decide, whatever their order.
    """
    latencies = sorted(seconds)
    up_to = [0, *accumulate(seconds[latency] for latency in latencies)]
    for _ in range(up_to[-1]):
        within = up_to[bisect_right(latencies, p95)] / up_to[-1]
        p95 *= P95_OVER ** (1 - within) * P95_WITHIN**within
    return p95


def advance_points(good: int, bad: int) -> int:
    """Return the points of the domain's requests since the stage began; they may be below 0."""
    return good - ADVANCE_COST * bad


def may_advance(good: int, bad: int, verdict: Verdict) -> bool:
    """Return whether the domain's requests since the stage began permit the next stage."""
    return advance_points(good, bad) >= ADVANCE_POINTS and verdict is Verdict.OK
