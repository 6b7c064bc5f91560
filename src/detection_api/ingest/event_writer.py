"""Write the events of a log into the tables, with the position up to which they were read."""

import io
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from psycopg2 import errors, extensions
from psycopg2.extras import execute_values

from detection_api.db import Partitions
from detection_api.ingest.event_lines import Parsed, ParsedEvent
from detection_api.ingest.log_file import LogPosition

_COPY = (
    "COPY events"
    " (timestamp, ts, type, camera_id, track_id, confidence, region, evidence) FROM STDIN"
)
_COUNT = (
    "INSERT INTO hourly_event_counts AS old (hour, camera_id, type, count) VALUES %s"
    " ON CONFLICT (hour, camera_id, type) DO UPDATE SET count = old.count + excluded.count"
)
_READ = 'SELECT device, inode, head, "offset", updated_at FROM ingest_checkpoints WHERE log = %s'
_ADVANCE = (
    "INSERT INTO ingest_checkpoints AS old"
    ' (log, device, inode, head, "offset", lines, malformed, updated_at)'
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (log) DO UPDATE SET device = excluded.device, inode = excluded.inode,"
    ' head = excluded.head, "offset" = excluded."offset",'
    " lines = old.lines + excluded.lines, malformed = old.malformed + excluded.malformed,"
    " updated_at = excluded.updated_at"
)
_LOCK = "SELECT pg_advisory_lock(hashtextextended('detection-api event log ' || %s, 0))"
LOCK_TIMEOUT_MS = 500
"""Time limit for the lock, which a follower that has just ended may still hold."""


class LogBusyError(Exception):
    """Another process ingests this log into the same database."""


class Checkpoint(NamedTuple):
    """The position up to which a log is stored, and when it was stored."""

    position: LogPosition
    updated_at: datetime


class EventWriter:
    """Writes the events of `log` over its own autocommit connection.

    It holds an advisory lock as long as the connection lives, so no other process writes the same
    log. Raises LogBusyError if another process has the lock; all methods raise psycopg2's errors.
    """

    def __init__(self, connection: extensions.connection, log: str) -> None:
        self._connection = connection
        self._log = log
        self._partitions = Partitions(connection)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = %s", [LOCK_TIMEOUT_MS])
                cursor.execute(_LOCK, [log])
        except errors.LockNotAvailable:
            raise LogBusyError(f"{log} is already being ingested by another process") from None

    def checkpoint(self) -> Checkpoint | None:
        """Return the position to continue from; None if nothing of this log is stored yet."""
        with self._connection.cursor() as cursor:
            cursor.execute(_READ, [self._log])
            row = cursor.fetchone()
        if row is None:
            return None
        device, inode, head, offset, updated_at = row
        return Checkpoint(LogPosition(int(device), int(inode), head, offset), updated_at)

    def prepare(self, now: datetime) -> None:
        """Create the partitions that are due."""
        self._partitions.prepare(now)

    def write(self, parsed: Parsed, position: LogPosition, now: datetime) -> None:
        """Store the events, hourly counts and position in one transaction."""
        self._partitions.prepare(now, parsed.months())
        with self._connection, self._connection.cursor() as cursor:
            if parsed.events:
                cursor.copy_expert(_COPY, io.BytesIO(b"".join(map(copy_row, parsed.events))))
                # Sorted, so that followers of two logs cannot deadlock.
                counts = sorted(parsed.hourly_counts().items())
                execute_values(cursor, _COUNT, list(_flat(counts)), page_size=1000)
            where = (position.device, position.inode, position.head, position.offset)
            cursor.execute(_ADVANCE, (self._log, *where, parsed.lines, parsed.malformed, now))


def copy_row(event: ParsedEvent) -> bytes:
    """Return `event` as a row in COPY's text format."""
    return b"%b\t%r\t%b\t%b\t%b\t%r\t%b\t%b\n" % (
        event.timestamp.isoformat().encode(),
        event.ts,
        _text(event.type),
        _text(event.camera_id),
        rb"\N" if event.track_id is None else b"%d" % event.track_id,
        event.confidence,
        rb"\N" if event.region is None else _text(event.region),
        event.evidence.replace(b"\\", rb"\\"),  # no other character in JSON needs escaping
    )


@lru_cache(maxsize=4096)  # there are few types, cameras and regions
def _text(text: str) -> bytes:
    escaped = text.encode()
    for raw, escape in _ESCAPES:
        escaped = escaped.replace(raw, escape)
    return escaped


_ESCAPES = ((b"\\", rb"\\"), (b"\t", rb"\t"), (b"\n", rb"\n"), (b"\r", rb"\r"))


def _flat(counts: list[tuple[tuple[datetime, str, str], int]]) -> Iterator[tuple[object, ...]]:
    for key, count in counts:
        yield *key, count
