"""Monthly partitions of `detection_records` and `events`: create and drop them.

Both tables have a default partition, so every row is accepted. Monthly partitions make reads fast.
A month is the `date` of its first day, in UTC.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import structlog
from psycopg2 import errors, extensions, sql

log = structlog.get_logger(__name__)

TABLES = ("detection_records", "events")
MONTHS_BACK = 25
"""Rows older than this go to the default partition."""
MONTHS_AHEAD = 3
"""Partitions are created this many months ahead; later rows go to the default partition."""
LOCK_TIMEOUT_MS = 500
"""Time limit for a lock on a table, during which readers and writers wait."""
RETRY_AFTER = timedelta(minutes=1)

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('detection-api partitions', 0))"
_EXISTS = "SELECT to_regclass(%s) IS NOT NULL"
_CREATE = sql.SQL("CREATE TABLE {partition} (LIKE {table} INCLUDING ALL EXCLUDING IDENTITY)")
_BLOCK_WRITERS = sql.SQL("LOCK TABLE {default} IN SHARE ROW EXCLUSIVE MODE")
_MOVE = sql.SQL(
    "WITH moved AS (DELETE FROM {default}"
    " WHERE timestamp >= {start} AND timestamp < {end} RETURNING *)"
    " INSERT INTO {partition} SELECT * FROM moved"
)
_ATTACH = sql.SQL(
    "ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ({start}) TO ({end})"
)
_LIST = """
SELECT relname, nullif(reltuples, -1)::bigint, pg_total_relation_size(oid)
FROM pg_class
WHERE relkind = 'r' AND relname ~ %s
  AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'events'::regclass)
ORDER BY relname
"""
_IS_ATTACHED = "SELECT relispartition FROM pg_class WHERE oid = %s::regclass"
_DETACH = sql.SQL("ALTER TABLE {table} DETACH PARTITION {partition}")
_DROP = sql.SQL("DROP TABLE {partition}")
_FORGET = "DELETE FROM hourly_record_counts WHERE hour >= %s AND hour < %s"
_MONTHLY = re.compile(rf"({'|'.join(TABLES)})_y(\d{{4}})m(\d\d)")


@dataclass(frozen=True, slots=True)
class Partition:
    """The partition of `table` for `month`.

    `rows` is an estimate, None if PostgreSQL has none; `size` is in bytes.
    """

    table: str
    month: date
    rows: int | None
    size: int

    @property
    def name(self) -> str:
        """Return the name of the partition."""
        return partition_name(self.table, self.month)


def _bounds(month: date) -> tuple[str, str]:
    """Return the start of the month and of the next one, as PostgreSQL writes them."""
    return f"{month} 00:00:00+00", f"{shift(month, 1)} 00:00:00+00"


def month_of(moment: datetime) -> date:
    """Return the month of `moment` (UTC)."""
    return date(moment.year, moment.month, 1)


def shift(month: date, months: int) -> date:
    """Return the month that is `months` later; earlier if negative."""
    year, index = divmod(month.year * 12 + month.month - 1 + months, 12)
    return date(year, index + 1, 1)


def due(now: datetime) -> list[date]:
    """Return the months that need a partition at `now`: this one and MONTHS_AHEAD more."""
    return [shift(month_of(now), months) for months in range(MONTHS_AHEAD + 1)]


def is_plausible(month: date, now: datetime) -> bool:
    """Return True if `month` is close enough to `now` for a partition of its own."""
    this = month_of(now)
    return shift(this, -MONTHS_BACK) <= month <= shift(this, MONTHS_AHEAD)


def partition_name(table: str, month: date) -> str:
    """Return the name of the partition of `table` for `month`, such as `events_y2026m11`."""
    return f"{table}_y{month.year}m{month.month:02}"


def is_partition(table: str) -> bool:
    """Return True if a table of this name is a partition of one of TABLES."""
    return table in {f"{t}_default" for t in TABLES} or _MONTHLY.fullmatch(table) is not None


class Partitions:
    """Creates partitions before rows are written, over one autocommit connection."""

    def __init__(self, connection: extensions.connection) -> None:
        self._connection = connection
        self._ready: set[tuple[str, date]] = set()
        self._retry_at = datetime.min.replace(tzinfo=UTC)

    def prepare(self, now: datetime, months: Iterable[date] = ()) -> None:
        """Create the partitions due at `now`, and event partitions for plausible `months`.

        If the default partition is locked for too long, it tries again later. Until then rows go
        to the default partition. They move when the partition is created. Raises psycopg2's
        other errors.
        """
        missing = sorted(set(_wanted(now, months)) - self._ready)
        if not missing or now < self._retry_at:
            return
        try:
            for table, month in missing:
                create(self._connection, table, month)
                self._ready.add((table, month))
        except errors.LockNotAvailable:
            self._retry_at = now + RETRY_AFTER
            log.warning("partition_postponed", partition=partition_name(table, month))


def _wanted(now: datetime, months: Iterable[date]) -> Iterator[tuple[str, date]]:
    for month in due(now):
        yield from ((table, month) for table in TABLES)
    for month in months:
        if is_plausible(month, now):
            yield "events", month


def create(connection: extensions.connection, table: str, month: date) -> None:
    """Create the partition of `table` for `month` if there is none; move its rows there.

    One transaction. Another `create` waits for it. Writers of the default partition wait while
    rows move. Readers of the table wait for the last step, about 0.3 s for a million rows; a
    reader that waits may miss the moved rows, because it is already planned. Raises psycopg2's
    LockNotAvailable, without a change, if a lock takes longer than LOCK_TIMEOUT_MS.
    """
    partition = partition_name(table, month)
    start, end = _bounds(month)
    parts = {
        "table": sql.Identifier(table),
        "default": sql.Identifier(f"{table}_default"),
        "partition": sql.Identifier(partition),
        "start": sql.Literal(start),
        "end": sql.Literal(end),
    }
    with connection, connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = %s", [LOCK_TIMEOUT_MS])
        cursor.execute(_LOCK)
        cursor.execute(_EXISTS, [partition])
        if cursor.fetchone() == (True,):
            return
        for statement in (_CREATE, _BLOCK_WRITERS, _MOVE, _ATTACH):
            cursor.execute(statement.format(**parts))
    log.info("partition_made", partition=partition)


def ended_partitions(connection: extensions.connection, before: datetime) -> list[Partition]:
    """Return the partitions, attached or detached, of months that ended by `before`.

    Raises psycopg2's errors.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LIST, [f"^{_MONTHLY.pattern}$"])
        partitions = [_partition(*row) for row in cursor]
    return [p for p in partitions if shift(p.month, 1) <= before.astimezone(UTC).date()]


def _partition(name: str, rows: int | None, size: int) -> Partition:
    parts = _MONTHLY.fullmatch(name)
    assert parts is not None
    return Partition(parts[1], date(int(parts[2]), int(parts[3]), 1), rows, size)


def drop_partition(connection: extensions.connection, partition: Partition) -> None:
    """Drop a partition permanently, over an autocommit connection.

    It is detached first, which blocks readers and writers of its table for milliseconds, and
    dropped afterwards. The totals of detection records no longer include its rows; the counts of
    events still do. If the process is killed in between, the detached table stays, and
    `ended_partitions` lists it. Raises psycopg2's LockNotAvailable, without a change, if the lock
    takes longer than LOCK_TIMEOUT_MS.
    """
    names = {
        "table": sql.Identifier(partition.table),
        "partition": sql.Identifier(partition.name),
    }
    with connection, connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = %s", [LOCK_TIMEOUT_MS])
        cursor.execute(_LOCK)
        cursor.execute(_IS_ATTACHED, [partition.name])
        if cursor.fetchone() == (True,):
            cursor.execute(_DETACH.format(**names))
            if partition.table == "detection_records":
                cursor.execute(_FORGET, _bounds(partition.month))
    with connection.cursor() as cursor:
        cursor.execute(_DROP.format(**names))
