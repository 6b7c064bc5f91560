"""`detection-api data`: what is kept, and for how long."""

import re
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta

import click
from psycopg2 import errors, extensions, sql

from detection_api.cli.command import clear_database_errors, read_settings
from detection_api.clock import utc_now
from detection_api.db import TABLES, Partition, drop_partition, ended_partitions
from detection_api.ingest.database import connect

ATTEMPTS = 20
RETRY_INTERVAL = 3.0
"""Seconds between two attempts to get a lock; others are served meanwhile."""
_DAYS = re.compile(r"([1-9]\d{0,4})d", re.ASCII)
_STRAYS = sql.SQL("SELECT count(*) FROM {default} WHERE timestamp < %s")


def _days(_: click.Context, __: click.Parameter, value: str) -> timedelta:
    if days := _DAYS.fullmatch(value):
        return timedelta(days=int(days[1]))
    raise click.BadParameter("must be days, such as 90d")


@click.group()
def data() -> None:
    """Look after the data that has piled up. The database is DATABASE_URL."""


@data.command()
@click.option("--older-than", "age", required=True, callback=_days, help="Such as 90d.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(age: timedelta, yes: bool) -> None:
    """Drop the months of events and detection records that are older, whole months only.

    It shows what would go, and asks. Violations stay, and so do counts of events, which daily
    statistics are made from. Reads and ingestion go on meanwhile. It may be ended at any moment
    and started again.

    \b
    Example:
      detection-api data prune --older-than 90d
    """
    with (
        clear_database_errors(),
        closing(connect(read_settings().database_url, "detection-api data prune")) as connection,
    ):
        before = utc_now() - age
        found = ended_partitions(connection, before)
        for line in plan(found, before, strays(connection, before)):
            click.echo(line)
        if not found:
            return
        if not yes:
            click.confirm("Drop them?", abort=True)
        for partition in found:
            drop_when_free(connection, partition)
            click.echo(f"dropped {partition.name}")


def plan(found: Sequence[Partition], before: datetime, strayed: int) -> list[str]:
    """What would be dropped, in lines for an operator."""
    lines = [f"Kept: everything from {before:%Y-%m-%d} on, all counts of events, all violations."]
    if strayed:
        lines.append(f"Kept, though older: {strayed:,} rows that are in no month's partition.")
    if not found:
        return [*lines, "No month is older: there is nothing to drop."]
    lines.append(f"Dropped for good, {_megabytes(found)}:")
    for partition in found:
        rows = "uncounted" if partition.rows is None else f"about {partition.rows:,}"
        what = partition.table.replace("_", " ")
        lines.append(f"  {partition.month:%Y-%m}  {rows} {what}, {_megabytes([partition])}")
    return lines


def strays(connection: extensions.connection, before: datetime) -> int:
    """How many rows from before lie in the default partitions, which are never dropped."""
    found = 0
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(_STRAYS.format(default=sql.Identifier(f"{table}_default")), [before])
            found += sum(count for (count,) in cursor)
    return found


def drop_when_free(connection: extensions.connection, partition: Partition) -> None:
    """Drop it as soon as nobody has been reading its table for long.

    Raises click.ClickException after ATTEMPTS, and psycopg2's errors.
    """
    for _ in range(ATTEMPTS):
        try:
            return drop_partition(connection, partition)
        except errors.LockNotAvailable:
            time.sleep(RETRY_INTERVAL)
    raise click.ClickException(
        f"{partition.name} is still there: somebody has been reading {partition.table} for"
        " too long, such as a backup; start again later"
    )


def _megabytes(found: Sequence[Partition]) -> str:
    return f"{sum(partition.size for partition in found) / 1e6:,.1f} MB"
