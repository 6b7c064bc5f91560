"""Drop old partitions while others read and write."""

import time
from datetime import datetime

from psycopg2 import errors, extensions, sql

from detection_api.db.partitions import TABLES, Partition, drop_partition

ATTEMPTS = 20
RETRY_INTERVAL = 3.0
"""Seconds between two attempts to lock a table; readers and writers continue in between."""
_ROWS_BEFORE = sql.SQL("SELECT count(*) FROM {default} WHERE timestamp < %s")


class PartitionBusyError(Exception):
    """A partition could not be dropped because its table is being read."""


def rows_outside_partitions(connection: extensions.connection, before: datetime) -> int:
    """Return the number of rows older than `before` in the default partitions, which stay."""
    count = 0
    with connection.cursor() as cursor:
        for table in TABLES:
            default = sql.Identifier(f"{table}_default")
            cursor.execute(_ROWS_BEFORE.format(default=default), [before])
            count += sum(rows for (rows,) in cursor)
    return count


def drop_when_free(connection: extensions.connection, partition: Partition) -> None:
    """Drop a partition as soon as its table can be locked.

    Raises PartitionBusyError after ATTEMPTS, and psycopg2's errors.
    """
    for _ in range(ATTEMPTS):
        try:
            return drop_partition(connection, partition)
        except errors.LockNotAvailable:
            time.sleep(RETRY_INTERVAL)
    raise PartitionBusyError(
        f"{partition.name} is not dropped: a reader, such as a backup, has held"
        f" {partition.table} for too long; try again later"
    )
