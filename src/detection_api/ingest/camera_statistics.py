"""Carry each camera's latest statistics from Redis into PostgreSQL."""

import math
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import psycopg2
import redis
from psycopg2 import extensions
from psycopg2.extras import execute_values
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.retry import Retry

from detection_api.clock import utc_now
from detection_api.ingest.database import Outage, connect
from detection_api.ingest.json_values import finite_or_zero, is_moment, is_name

CHANNEL = "hbd:stats"
WRITE_INTERVAL = 1.0
"""Minimum time between two writes, in seconds; messages in between are written together."""
POLL_INTERVAL = 0.2
"""Time limit of one read from Redis, in seconds."""
LONGEST_LEAD = timedelta(seconds=60)
"""Statistics with a later time are refused: they would hide all others until that time."""

_UPSERT = (
    "INSERT INTO camera_statistics AS old (camera_id, timestamp, total_frames, processed_frames,"
    " detected_persons, detected_hairnets, detected_handwash, avg_fps, avg_detection_time)"
    " VALUES %s ON CONFLICT (camera_id) DO UPDATE SET timestamp = excluded.timestamp,"
    " total_frames = excluded.total_frames, processed_frames = excluded.processed_frames,"
    " detected_persons = excluded.detected_persons,"
    " detected_hairnets = excluded.detected_hairnets,"
    " detected_handwash = excluded.detected_handwash, avg_fps = excluded.avg_fps,"
    " avg_detection_time = excluded.avg_detection_time"
    " WHERE excluded.timestamp >= old.timestamp"
)


class ParsedStatistics(NamedTuple):
    """One message, with fields in the order of the columns of `camera_statistics`."""

    camera_id: str
    timestamp: datetime
    total_frames: int
    processed_frames: int
    detected_persons: int
    detected_hairnets: int
    detected_handwash: int
    avg_fps: float
    avg_detection_time: float


def parse(message: bytes) -> ParsedStatistics | None:
    """Return the statistics in `message`; None if it is malformed."""
    try:
        fields = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if type(fields) is not dict or fields.get("type") != "stats":
        return None
    camera_id, moment, data = fields.get("camera_id"), fields.get("timestamp"), fields.get("data")
    if not is_name(camera_id) or "\0" in camera_id or not is_moment(moment):
        return None
    if type(data) is not dict:
        return None
    return ParsedStatistics(
        camera_id=camera_id,
        timestamp=datetime.fromtimestamp(moment, UTC),
        total_frames=_count(data.get("total_frames")),
        processed_frames=_count(data.get("processed_frames")),
        detected_persons=_count(data.get("persons")),
        detected_hairnets=_count(data.get("hairnets")),
        detected_handwash=_count(data.get("handwash")),
        avg_fps=finite_or_zero(data.get("fps")),
        avg_detection_time=finite_or_zero(data.get("avg_detection_time")),
    )


def _count(value: Any) -> int:
    return value if type(value) is int and 0 <= value < 2**63 else 0


class LatestStatistics:
    """The latest message of each camera, kept until it is in the database.

    It writes at most every WRITE_INTERVAL seconds. While PostgreSQL is away, it keeps only the
    latest message of each camera. `now` is on the monotonic clock, in seconds; `clock` returns the
    arrival time of a message.
    """

    def __init__(self, database_url: str, clock: Callable[[], datetime] = utc_now) -> None:
        self._url = database_url
        self._clock = clock
        self._connection: extensions.connection | None = None
        self._outage = Outage("PostgreSQL for camera statistics")
        self._rows: dict[str, ParsedStatistics] = {}
        self._due = -math.inf

    def add(self, row: ParsedStatistics) -> None:
        """Keep `row` unless there is a later one; for equal times, the later arrival wins.

        Ignores a row that is more than LONGEST_LEAD in the future.
        """
        if row.timestamp - self._clock() > LONGEST_LEAD:
            return
        known = self._rows.get(row.camera_id)
        if known is None or row.timestamp >= known.timestamp:
            self._rows[row.camera_id] = row

    def write(self, now: float) -> None:
        """Write the kept rows if a write is due; log a failure and retry it later."""
        if not self._rows or now < self._due:
            return
        try:
            self._upsert()
        except psycopg2.Error as error:
            self.close()
            self._due = now + self._outage.failed(error)
        else:
            self._outage.over()
            self._rows.clear()
            self._due = now + WRITE_INTERVAL

    def close(self) -> None:
        """Close the connection; the next write opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _upsert(self) -> None:
        if self._connection is None:
            self._connection = connect(self._url, "detection-api ingest stats")
        with self._connection, self._connection.cursor() as cursor:
            execute_values(cursor, _UPSERT, sorted(self._rows.values()), page_size=1000)


def follow(database_url: str, redis_url: str, stop: threading.Event) -> None:
    """Store statistics until `stop` is set; continues after outages of Redis and PostgreSQL."""
    outage = Outage("Redis for camera statistics")
    with closing(LatestStatistics(database_url)) as latest:
        while not stop.is_set():
            try:
                with _client(redis_url) as client, client.pubsub() as subscription:
                    subscription.subscribe(CHANNEL)
                    outage.over()
                    _follow(subscription, latest, stop)
            except redis.RedisError as error:
                stop.wait(outage.failed(error))
        latest.write(math.inf)


def _follow(subscription: PubSub, latest: LatestStatistics, stop: threading.Event) -> None:
    while not stop.is_set():
        message = subscription.get_message(ignore_subscribe_messages=True, timeout=POLL_INTERVAL)
        row = parse(message["data"]) if message else None
        if row is not None:
            latest.add(row)
        latest.write(time.monotonic())


def _client(url: str) -> redis.Redis:
    # The client's own retries would hide an outage from the log, and delay the end of the process.
    return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), health_check_interval=10)
