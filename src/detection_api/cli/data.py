"""`detection-api data`: drop data that is older than its retention."""

import re
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta

import click

from detection_api.cli.environment import clear_database_errors, read_settings
from detection_api.clock import utc_now
from detection_api.db import (
    Partition,
    PartitionBusyError,
    drop_when_free,
    ended_partitions,
    rows_outside_partitions,
)
from detection_api.ingest.database import connect

_DAYS = re.compile(r"([1-9]\d{0,4})d", re.ASCII)


def _days(_: click.Context, __: click.Parameter, value: str) -> timedelta:
    if days := _DAYS.fullmatch(value):
        return timedelta(days=int(days[1]))
    raise click.BadParameter("must be days, such as 90d")


@click.group()
def data() -> None:
    """Drop old data. The database is DATABASE_URL.

    \b
    Example:
      detection-api data prune --older-than 90d
    """


@data.command()
@click.option("--older-than", "age", required=True, callback=_days, help="Days, such as 90d.")
@click.option("--yes", is_flag=True, help="Drop without asking.")
def prune(age: timedelta, yes: bool) -> None:
    """Drop events and detection records that are older, in whole months.

    Shows what it would drop, and asks. Violations and the counts of events stay, so daily
    statistics do not change. Reads and ingestion continue meanwhile. You may stop the command at
    any moment and start it again.

    \b
    Example:
      detection-api data prune --older-than 90d
    """
    with (
        clear_database_errors(),
        closing(connect(read_settings().database_url, "detection-api data prune")) as connection,
    ):
        before = utc_now() - age
        partitions = ended_partitions(connection, before)
        for line in plan(partitions, before, rows_outside_partitions(connection, before)):
            click.echo(line)
        if not partitions:
            return
        if not yes:
            click.confirm("Drop them?", abort=True)
        for partition in partitions:
            try:
                drop_when_free(connection, partition)
            except PartitionBusyError as error:
                raise click.ClickException(str(error)) from error
            click.echo(f"dropped {partition.name}")


def plan(partitions: Sequence[Partition], before: datetime, rows_outside: int) -> list[str]:
    """Return the lines that say what is dropped and what stays."""
    lines = [f"Kept: everything from {before:%Y-%m-%d} on, all counts of events, all violations."]
    if rows_outside:
        lines.append(f"Kept, though older: {rows_outside:,} rows outside of monthly partitions.")
    if not partitions:
        return [*lines, "No month is older: there is nothing to drop."]
    lines.append(f"Dropped for good, {_megabytes(partitions)}:")
    for partition in partitions:
        rows = "uncounted" if partition.rows is None else f"about {partition.rows:,}"
        table = partition.table.replace("_", " ")
        lines.append(f"  {partition.month:%Y-%m}  {rows} {table}, {_megabytes([partition])}")
    return lines


def _megabytes(partitions: Sequence[Partition]) -> str:
    return f"{sum(partition.size for partition in partitions) / 1e6:,.1f} MB"
