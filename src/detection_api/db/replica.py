"""Reads from a streaming replica while it is there and close behind: read `Replicated.read` first.

One thread per process checks the replica twice a second, so no read waits for a check.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from prometheus_client import Counter, Gauge

from detection_api.db.pool import UNAVAILABLE, Connection, Pool
from detection_api.db.replication import ReplayProgress, Unfit, WalPosition, judge

log = structlog.get_logger(__name__)

LOOK_EVERY = 0.5
LOOK_DEADLINE = 0.4
"""Seconds that one server may take to report its position."""
LOOK_HOLDS = 2.0
"""Seconds for which a result holds; a replica may fall behind by as much unnoticed."""
DISTRUSTED_FOR = 5.0
"""Seconds without the replica after a read failed on it."""
SHARE = 0.5
"""The share of a read's deadline that the replica may use; the rest is for the primary."""

LAG = Gauge(
    "detection_api_replica_lag_seconds",
    "How far the replica is behind the primary at the most, as the slowest worker sees it.",
    multiprocess_mode="livemax",
)
FIT = Gauge(
    "detection_api_replica_fit",
    "1 where all workers read from the replica, 0 where one does not, or there is none.",
    multiprocess_mode="livemin",
)
BYPASSED = Counter(
    "detection_api_replica_bypassed",
    "Reads that the primary answered because the replica could not, by the reason why.",
    ["reason"],
)

_POSITION = """
SELECT pg_postmaster_start_time()::text, pg_is_in_recovery(),
       (CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0')
             ELSE pg_current_wal_lsn() END - '0/0')::bigint
"""

_T = TypeVar("_T")


def _start_thread(run: Callable[[], None]) -> None:
    threading.Thread(target=run, name="replica-watch", daemon=True).start()


class Watch:
    """Looks at a replica and its primary, over connections of its own.

    It may be behind by `limit` seconds; `clock` is monotonic, in seconds; `start` has a function
    run in the background until it returns.
    """

    def __init__(
        self,
        primary: Pool,
        replica: Pool,
        *,
        limit: float,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[Callable[[], None]], None] = _start_thread,
    ) -> None:
        self._primary = primary
        self._replica = replica
        self._limit = limit
        self._clock = clock
        self._start = start
        self._begin()

    def _begin(self) -> None:
        """Forget all results and the thread, which a forked process does not have."""
        self._pid = os.getpid()
        self._progress = ReplayProgress()
        self._found: Unfit | None = Unfit.UNKNOWN
        self._looked_at = -LOOK_HOLDS
        self._distrusted_until = 0.0
        self._said: Unfit | None = Unfit.UNKNOWN
        self._is_started = False
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start checking both servers twice a second, in this process."""
        if self._pid != os.getpid():
            self._begin()
        if self._is_started:
            return
        with self._lock:
            if not self._is_started:
                self._start(self._run)
                self._is_started = True

    def stop(self) -> None:
        """Stop checking soon; the replica is not read from any more."""
        self._ended.set()

    def unfit(self) -> Unfit | None:
        """Return why the replica must not be read now; None if it may be read."""
        now = self._clock()
        if now < self._distrusted_until:
            return Unfit.FAILED
        return self._found if now - self._looked_at < LOOK_HOLDS else Unfit.UNKNOWN

    def distrust(self, error: Exception) -> None:
        """Avoid the replica for DISTRUSTED_FOR seconds: a read failed on it with `error`."""
        self._distrusted_until = self._clock() + DISTRUSTED_FOR
        self._say(Unfit.FAILED, error=str(error))

    def look(self) -> None:
        """Read the position of both servers, and decide whether the replica may be read."""
        primary = _position(self._primary)
        if primary is not None:
            self._progress.see(primary, self._clock())
        replica = _position(self._replica)
        lag = 0.0
        if replica is not None and replica.in_recovery:
            lag = self._progress.lag(replica.wal, self._clock())
        self._found = judge(replica, primary, lag=lag, limit=self._limit)
        self._looked_at = self._clock()
        self._say(self.unfit(), lag=lag)
        LAG.set(lag)

    def _say(self, unfit: Unfit | None, **facts: object) -> None:
        """Log a change once, and set the metric."""
        FIT.set(unfit is None)
        with self._lock:
            if unfit is self._said:
                return
            self._said = unfit
        if unfit is None:
            log.info("replica_read", **facts)
        else:
            log.warning("replica_bypassed", reason=unfit.value, **facts)

    def _run(self) -> None:
        while not self._ended.is_set():
            self.look()
            self._ended.wait(LOOK_EVERY)
        self._primary.dispose()
        self._replica.dispose()


def _position(pool: Pool) -> WalPosition | None:
    """Return the position of a server; None if it does not answer in time."""
    try:
        return pool.read(_read_position)
    except UNAVAILABLE as error:
        log.debug("position_unknown", error=str(error))
        return None


def _read_position(connection: Connection) -> WalPosition:
    cursor = connection.cursor()
    cursor.execute(_POSITION)
    (row,) = cursor.fetchall()
    return WalPosition(*row)


class Replicated:
    """Reads from a replica; from its primary if `watch` or a failure demands it."""

    def __init__(self, primary: Pool, replica: Pool, watch: Watch) -> None:
        self._primary = primary
        self._replica = replica
        self._watch = watch

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """Return the result of `work` on a connection to the replica or, if needed, to the primary.

        A read that fails on the replica runs on the primary in the time that is left. A faulty
        statement fails there, too. Raises what `Pool.connection` raises.
        """
        unfit = self.unfit()
        left = deadline = self._primary.deadline
        if unfit is None:
            started = time.monotonic()
            try:
                return self._replica.read(work, within=deadline * SHARE)
            except UNAVAILABLE as error:
                self._watch.distrust(error)
                unfit = Unfit.FAILED
                left = max(0.0, deadline - (time.monotonic() - started))
        BYPASSED.labels(unfit.value).inc()
        return self._primary.read(work, within=left)

    def unfit(self) -> Unfit | None:
        """Return why this process reads from the primary now; None if it reads from the replica."""
        self._watch.start()
        return self._watch.unfit()

    def dispose(self) -> None:
        """Stop checking, and close every idle connection."""
        self._watch.stop()
        self._primary.dispose()
        self._replica.dispose()
