"""The demo's detector: goes on where history ends, by the clock.

The event log, live statistics and tables are written by a thread each, so that none waits for a
server that the others do not need. What could not be written is seen again at the next attempt:
the world tells of the same period as often as it is asked.
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
"""Seconds, all three."""
REDIS_TIMEOUT = 2.0
"""Seconds."""
STATEMENT_TIMEOUT_MS = 2000
"""Whoever holds a lock on the tables must not hold up the detector's end."""

Write = Callable[[float, float], None]
"""Writes what the world saw in (since, until], in epoch seconds."""
Loop = tuple[Write, type[Exception], float]
"""With the error that is to be expected, and the seconds between two writes."""


def detect(world: World, settings: Settings, stop: threading.Event) -> None:
    """Go on until `stop`, sitting out every outage of PostgreSQL, Redis and the disk."""
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
        running = [pool.submit(_keep, *loop, stop) for loop in loops]
        wait(running, return_when=FIRST_EXCEPTION)
        stop.set()
    for loop in running:
        loop.result()


def _keep(write: Write, expected: type[Exception], interval: float, stop: threading.Event) -> None:
    """Have `write` cover time as it passes; after an `expected` error the same period again."""
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
    """The file that events are appended to; opened each time, so that it may be rotated."""

    def __init__(self, world: World, path: Path) -> None:
        self._world = world
        self._path = path

    def append(self, since: float, until: float) -> None:
        """Append the period's lines; raises OSError."""
        lines = self._world.lines(since, until)
        with self._path.open("ab") as stream:
            stream.write(b"".join(lines))


class Statistics:
    """The channel that each camera's figures are published on."""

    def __init__(self, world: World, url: str) -> None:
        self._world = world
        self._client = redis.Redis.from_url(
            url,
            socket_connect_timeout=REDIS_TIMEOUT,
            socket_timeout=REDIS_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )

    def publish(self, _since: float, until: float) -> None:
        """Publish how things are at the period's end; raises redis.RedisError."""
        for camera_id in CAMERAS:
            message = self._world.statistics(camera_id, until)
            self._client.publish(CHANNEL, msgspec.json.encode(message))


class Tables:
    """PostgreSQL, over a connection that is replaced after every error."""

    def __init__(self, world: World, url: str) -> None:
        self._world = world
        self._url = url
        self._connection: extensions.connection | None = None

    def insert(self, since: float, until: float) -> None:
        """Insert the period's records and violations; raises psycopg2's errors."""
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
