"""Reads from a streaming replica while it is there and close behind: read `Replicated.read` first.

Nobody waits to learn how the replica does: one thread a process looks twice a second.
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
"""Seconds that one server may take to say where it is."""
LOOK_HOLDS = 2.0
"""Seconds after which a look says nothing any more; a replica may fall behind by as much unseen."""
DISTRUSTED_FOR = 5.0
"""Seconds without the replica after a read failed on it."""
SHARE = 0.5
"""The part of a read's deadline that the replica may use up; the rest is the primary's."""

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

_PLACE = """
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
        """Know nothing and have no thread, as a forked process has to."""
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
        """Look again and again from now on, in this process."""
        if self._pid != os.getpid():
            self._begin()
        if self._is_started:
            return
        with self._lock:
            if not self._is_started:
                self._start(self._run)
                self._is_started = True

    def stop(self) -> None:
        """Look no more, soon; the replica is then unknown, and not read from."""
        self._ended.set()

    def unfit(self) -> Unfit | None:
        """Why the replica must not be read from now; None where it may."""
        now = self._clock()
        if now < self._distrusted_until:
            return Unfit.FAILED
        return self._found if now - self._looked_at < LOOK_HOLDS else Unfit.UNKNOWN

    def distrust(self, error: Exception) -> None:
        """Have the replica left alone for a while: a read failed on it with `error`."""
        self._distrusted_until = self._clock() + DISTRUSTED_FOR
        self._say(Unfit.FAILED, error=str(error))

    def look(self) -> None:
        """See where both servers are, and judge."""
        primary = _place(self._primary)
        if primary is not None:
            self._progress.see(primary, self._clock())
        replica = _place(self._replica)
        lag = 0.0
        if replica is not None and replica.in_recovery:
            lag = self._progress.lag(replica.wal, self._clock())
        self._found = judge(replica, primary, lag=lag, limit=self._limit)
        self._looked_at = self._clock()
        self._say(self.unfit(), lag=lag)
        LAG.set(lag)

    def _say(self, unfit: Unfit | None, **facts: object) -> None:
        """Log what changed, once, and show what holds."""
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


def _place(pool: Pool) -> WalPosition | None:
    """Where a server is; None when it does not say in time."""
    try:
        return pool.read(_read_place)
    except UNAVAILABLE as error:
        log.debug("place_unknown", error=str(error))
        return None


def _read_place(connection: Connection) -> WalPosition:
    cursor = connection.cursor()
    cursor.execute(_PLACE)
    (row,) = cursor.fetchall()
    return WalPosition(*row)


class Replicated:
    """Reads from a replica, and from its primary where `watch` or a failure says so."""

    def __init__(self, primary: Pool, replica: Pool, watch: Watch) -> None:
        self._primary = primary
        self._replica = replica
        self._watch = watch

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """What `work` makes of a connection, on the replica or, if need be, on the primary.

        Whatever fails on the replica is asked of the primary in the time that is left, and fails
        there if it is the statement's own fault. Raises what `Pool.connection` raises.
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
        """Why this process reads from the primary now; None where it reads from the replica."""
        self._watch.start()
        return self._watch.unfit()

    def dispose(self) -> None:
        """Look no more, and close every idle connection."""
        self._watch.stop()
        self._primary.dispose()
        self._replica.dispose()
