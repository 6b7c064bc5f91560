"""Reads from a streaming replica that is up and close behind. Read `Replicated.read` first.

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

CHECK_INTERVAL = 0.5
CHECK_TIMEOUT = 0.4
"""Seconds that one server may take to report its position."""
CHECK_VALID_FOR = 2.0
"""Seconds for which a result is valid; a replica may fall behind unnoticed for this long."""
DISTRUSTED_FOR = 5.0
"""Seconds without the replica after a read failed on it."""
SHARE = 0.5
"""The share of a read's deadline that the replica may use; the rest is for the primary."""

LAG = Gauge(
    "detection_api_replica_lag_seconds",
    "Upper bound of the replica's lag in seconds, as the slowest worker measures it.",
    multiprocess_mode="livemax",
)
FIT = Gauge(
    "detection_api_replica_fit",
    "1 if all workers read from the replica, 0 if one does not, or if there is none.",
    multiprocess_mode="livemin",
)
BYPASSED = Counter(
    "detection_api_replica_bypassed",
    "Reads that the primary answered instead of the replica, by reason.",
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
    """Checks a replica and its primary, over its own connections.

    The replica may be `limit` seconds behind; `clock` is monotonic, in seconds; `start` runs a
    function in the background.
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
        self._result: Unfit | None = Unfit.UNKNOWN
        self._checked_at = -CHECK_VALID_FOR
        self._distrusted_until = 0.0
        self._logged: Unfit | None = Unfit.UNKNOWN
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
        """Stop checking soon; then the replica is not used any more."""
        self._ended.set()

    def unfit(self) -> Unfit | None:
        """Return why the replica must not be read now; None if it may be read."""
        now = self._clock()
        if now < self._distrusted_until:
            return Unfit.FAILED
        return self._result if now - self._checked_at < CHECK_VALID_FOR else Unfit.UNKNOWN

    def distrust(self, error: Exception) -> None:
        """Avoid the replica for DISTRUSTED_FOR seconds after a read failed with `error`."""
        self._distrusted_until = self._clock() + DISTRUSTED_FOR
        self._log_change(Unfit.FAILED, error=str(error))

    def check(self) -> None:
        """Read the position of both servers, and decide whether the replica may be read."""
        primary = _position(self._primary)
        if primary is not None:
            self._progress.record(primary, self._clock())
        replica = _position(self._replica)
        lag = 0.0
        if replica is not None and replica.in_recovery:
            lag = self._progress.lag(replica.wal, self._clock())
        self._result = judge(replica, primary, lag=lag, limit=self._limit)
        self._checked_at = self._clock()
        self._log_change(self.unfit(), lag=lag)
        LAG.set(lag)

    def _log_change(self, unfit: Unfit | None, **facts: object) -> None:
        """Set the metric, and log a change once."""
        FIT.set(unfit is None)
        with self._lock:
            if unfit is self._logged:
                return
            self._logged = unfit
        if unfit is None:
            log.info("replica_read", **facts)
        else:
            log.warning("replica_bypassed", reason=unfit.value, **facts)

    def _run(self) -> None:
        while not self._ended.is_set():
            self.check()
            self._ended.wait(CHECK_INTERVAL)
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
    """Reads from a replica, or from its primary if the replica is unfit or fails."""

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
