"""The demo's detector, which continues the history in real time.

Separate threads write the event log, the live statistics and the tables, so none waits for a server
that it does not need. A failed write is repeated: the world returns the same data for the same
period.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

import msgspec
import psycopg2
import redis
import structlog
from psycopg2 import extensions
from redis.backoff import NoBackoff
from redis.retry import Retry

from detection_api.config import Settings
from detection_api.dev.demo import tables
from detection_api.dev.demo.world import CAMERAS, World

log = structlog.get_logger(__name__)

CHANNEL = "hbd:stats"
LOG_INTERVAL = 0.5
STATISTICS_INTERVAL = 1.0
RECORD_INTERVAL = 5
"""Seconds between two writes."""
REDIS_TIMEOUT = 2.0
"""Seconds."""
STATEMENT_TIMEOUT_MS = 2000
"""A lock on the tables must not delay the end of the detector."""

Write = Callable[[float, float], None]
"""Writes the data of the period (since, until], in epoch seconds."""
Loop = tuple[Write, type[Exception], float]
"""The write, the error to retry after, and the seconds between two writes."""


def detect(world: World, settings: Settings, stop: threading.Event) -> None:
    """Write until `stop` is set; continue after every outage of PostgreSQL, Redis and the disk."""
    settings.events_log.parent.mkdir(parents=True, exist_ok=True)
    event_log = EventLog(world, settings.events_log)
    rows = Tables(world, settings.database_url)
    loops: list[Loop] = [
        (event_log.append, OSError, LOG_INTERVAL),
        (rows.insert, psycopg2.Error, RECORD_INTERVAL),
    ]
    if settings.redis_url:
        statistics = Statistics(world, settings.redis_url)
        loops.append((statistics.publish, redis.RedisError, STATISTICS_INTERVAL))
    with ThreadPoolExecutor(len(loops)) as pool:
        running = [pool.submit(_repeat, *loop, stop) for loop in loops]
        wait(running, return_when=FIRST_EXCEPTION)
        stop.set()
    for loop in running:
        loop.result()


def _repeat(
    write: Write, expected: type[Exception], interval: float, stop: threading.Event
) -> None:
    """Write each new period until `stop` is set; repeat a period after an `expected` error."""
    since = time.time()
    failures = 0
    while not stop.wait(interval):
        until = max(since, time.time())
        try:
            write(since, until)
        except expected as error:
            if failures == 0:
                log.warning("outage", what=write.__qualname__, error=str(error).strip())
            failures += 1
        else:
            if failures:
                log.info("outage_over", what=write.__qualname__, failures=failures)
            failures = 0
            since = until


class EventLog:
    """Appends events to the log file; opens it for each write, because it may be rotated."""

    def __init__(self, world: World, path: Path) -> None:
        self._world = world
        self._path = path

    def append(self, since: float, until: float) -> None:
        """Append the lines of the period; raises OSError."""
        lines = self._world.lines(since, until)
        with self._path.open("ab") as stream:
            stream.write(b"".join(lines))


class Statistics:
    """Publishes the statistics of each camera on Redis."""

    def __init__(self, world: World, url: str) -> None:
        self._world = world
        self._client = redis.Redis.from_url(
            url,
            socket_connect_timeout=REDIS_TIMEOUT,
            socket_timeout=REDIS_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )

    def publish(self, _since: float, until: float) -> None:
        """Publish the statistics at the end of the period; raises redis.RedisError."""
        for camera_id in CAMERAS:
            message = self._world.statistics(camera_id, until)
            self._client.publish(CHANNEL, msgspec.json.encode(message))


class Tables:
    """Writes to PostgreSQL, over a connection that is replaced after every error."""

    def __init__(self, world: World, url: str) -> None:
        self._world = world
        self._url = url
        self._connection: extensions.connection | None = None

    def insert(self, since: float, until: float) -> None:
        """Insert the records and violations of the period; raises psycopg2's errors."""
        records = self._world.records(since, until, every=RECORD_INTERVAL)
        violations = self._world.violations(since, until)
        if self._connection is None:
            self._connection = tables.connect(self._url)
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = %s", [STATEMENT_TIMEOUT_MS])
            tables.insert(self._connection, records, violations)
        except psycopg2.Error:
            self._connection.close()
            self._connection = None
            raise
