"""The counts of one worker between two flushes to the store.

A request's thread only adds under a lock. A batch keeps its number and its counts of requests, so
a batch that is sent twice is counted once.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, Self

from detection_api.canary.state import histogram
from detection_api.canary.state.histogram import Histogram

BUCKET_SECONDS = 10
BUCKET = timedelta(seconds=BUCKET_SECONDS)
"""The ledger's resolution; counts that wait for the store are kept apart by as much."""
MAX_WAITING = 360
"""Batches, an hour of them, that wait while the store is away; then the oldest are merged."""
MAX_SAMPLES = 5
"""Samples of one mismatch."""

Key = tuple[str, str]
"""Endpoint and arm."""
Reply = tuple[str, str, str, int]
"""Endpoint, the arm that answered (or `none`), the reason, and the status divided by 100."""


@dataclass(slots=True)
class Tally:
    """Counts of one endpoint and arm, which a store adds up over workers and time."""

    requests: int = 0
    """Requests that were decided for this arm; over both arms, all requests of clients."""
    forced: int = 0
    """The `requests` that the client forced; below, only failures count them."""
    fallbacks: int = 0
    """Answers by this arm after the other one failed."""
    errors: int = 0
    timeouts: int = 0
    violations: int = 0
    deaths: int = 0
    """Failures of this arm by cause, whatever the client saw."""
    outages: int = 0
    """Requests decided for this arm that no arm could answer."""
    client_errors: int = 0
    server_errors: int = 0
    """Responses 4xx and 5xx to requests decided for this arm."""
    good: int = 0
    bad: int = 0
    slow: int = 0
    """Requests to this arm that the guard judged; `slow` ones are among the other two."""
    compared: int = 0
    mismatched: int = 0
    accepted: int = 0
    noise: int = 0
    dropped: int = 0
    """Shadow comparisons of answers by this arm; `dropped` ones found the queue full."""
    latency: Histogram = field(default_factory=dict)
    """Seconds of each run of this arm for a client, except forced requests."""
    shadow: Histogram = field(default_factory=dict)
    """Seconds of each run of this arm that was made for a comparison only."""
    first_failed: str = ""
    last_failed: str = ""
    """Request ids of the first and the last failure that the guard judged."""

    @property
    def failures(self) -> dict[str, int]:
        """Failures by cause."""
        return {
            "error": self.errors,
            "timeout": self.timeouts,
            "contract": self.violations,
            "death": self.deaths,
        }

    @property
    def comparisons(self) -> dict[str, int]:
        """Comparisons by outcome."""
        found = {"mismatch": self.mismatched, "accepted": self.accepted, "noise": self.noise}
        return {"equal": self.compared - sum(found.values()), **found}

    def add(self, other: Self) -> None:
        """Add the counts of `other`, which came later."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        histogram.merge(self.latency, other.latency)
        histogram.merge(self.shadow, other.shadow)
        self.first_failed = self.first_failed or other.first_failed
        self.last_failed = other.last_failed or self.last_failed


COUNTS: tuple[str, ...] = tuple(f.name for f in fields(Tally) if f.type is int)
"""The names of a tally's plain counts."""


@dataclass(slots=True)
class MismatchTally:
    """How often two arms differed in one way; `accepted` differences are counted apart."""

    count: int = 0
    accepted: int = 0
    samples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: Self) -> None:
        """Add the counts of `other`, and its samples while there is room."""
        self.count += other.count
        self.accepted += other.accepted
        self.samples = (self.samples + other.samples)[:MAX_SAMPLES]


@dataclass(slots=True)
class LedgerBatch:
    """The counts since the monotonic time `since`, in seconds."""

    since: float
    tallies: dict[Key, Tally] = field(default_factory=dict)
    replies: dict[Reply, int] = field(default_factory=dict)
    mismatches: dict[tuple[str, str, str], MismatchTally] = field(default_factory=dict)
    """By endpoint, path and kind."""
    branches: dict[tuple[str, str], int] = field(default_factory=dict)
    """The number of compared answers by endpoint and branch of the contract."""
    acceptances: dict[int, int] = field(default_factory=dict)
    """The number of excused differences by the id of the accepted difference."""

    def tally(self, endpoint: str, arm: str) -> Tally:
        """Return the counts of an endpoint and arm, to add to."""
        tally = self.tallies.get((endpoint, arm))
        if tally is None:
            tally = self.tallies[endpoint, arm] = Tally()
        return tally

    def add(self, other: Self) -> None:
        """Add everything in `other`, which came later."""
        for key, tally in other.tallies.items():
            self.tallies.setdefault(key, Tally()).add(tally)
        for path, mismatch in other.mismatches.items():
            self.mismatches.setdefault(path, MismatchTally()).add(mismatch)
        _add_counts(self.replies, other.replies)
        _add_counts(self.branches, other.branches)
        _add_counts(self.acceptances, other.acceptances)


def _add_counts(into: dict[Any, int], other: Mapping[Any, int]) -> None:
    for key, count in other.items():
        into[key] = into.get(key, 0) + count


class Ledger:
    """One worker's counts: requests add to them, one other thread takes them in batches.

    `with ledger as batch:` gives the current batch. The block must take microseconds only, because
    all other requests wait for it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """Start empty, as the ledger of a new or forked worker."""
        self._lock = threading.Lock()
        self._current = LedgerBatch(self._clock())
        self._waiting: list[LedgerBatch] = []
        self._sent = 0
        self.totals: dict[Key, Tally] = {}
        """All counts that were taken; for the thread that takes them."""

    def __enter__(self) -> LedgerBatch:
        self._lock.acquire()
        return self._current

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def close(self) -> LedgerBatch:
        """End the current batch, begin another one, and return the ended one, which waits.

        At most MAX_WAITING batches wait, each at most BUCKET_SECONDS long; beyond that the oldest
        are merged. The very oldest is never merged: the store may have it already.
        """
        with self._lock:
            closed, self._current = self._current, LedgerBatch(self._clock())
            for key, tally in closed.tallies.items():
                self.totals.setdefault(key, Tally()).add(tally)
            waiting = self._waiting
            if len(waiting) > 1 and closed.since - waiting[-1].since < BUCKET_SECONDS:
                waiting[-1].add(closed)
            else:
                waiting.append(closed)
            if len(waiting) > MAX_WAITING:
                waiting[1].add(waiting.pop(2))
            return closed

    def forget_judged(self, endpoint: str) -> None:
        """Take out of all that waits what the guard judged of an endpoint, comparisons included."""
        with self._lock:
            for batch in (*self._waiting, self._current):
                for (name, _), tally in batch.tallies.items():
                    if name == endpoint:
                        tally.good = tally.bad = tally.slow = 0
                        tally.compared = tally.mismatched = tally.accepted = tally.noise = 0
                        tally.first_failed = tally.last_failed = ""

    def oldest(self) -> tuple[int, LedgerBatch] | None:
        """Return the next batch and its number (1, 2, ...): the same until `sent` is called."""
        with self._lock:
            return (self._sent + 1, self._waiting[0]) if self._waiting else None

    def sent(self) -> None:
        """Forget the oldest batch: the store has it."""
        with self._lock:
            del self._waiting[0]
            self._sent += 1
