"""Counts the figures of a report again, by other means than the report."""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from detection_api.canary.state.ledger import Tally
from tests.rollout.report.conftest import Reported

GAMMA = 1.05 / 0.95


def rows(reported: Reported, statement: str) -> list[dict[str, Any]]:
    """Return the rows of a statement."""
    with reported.run.history.connection() as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def tables(section: dict[str, Any], name: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield every row of every table, with the names of the table and of its section."""
    for block in section["blocks"]:
        for row in block.get("rows", ()):
            yield block["table"], section["name"] or name, row
    for part in section["sections"]:
        yield from tables(part, section["name"])


def all_rows(reported: Reported) -> list[tuple[str, str, dict[str, Any]]]:
    return [found for section in reported.data()["sections"] for found in tables(section)]


def windows(reported: Reported) -> dict[tuple[str, float], tuple[datetime, datetime]]:
    """Return the time of each endpoint in each stage, from the events."""
    events = rows(
        reported, f"SELECT * FROM rollout_event WHERE run = {reported.run.id} ORDER BY id"
    )
    begun: dict[str, dict[str, Any]] = {}
    found = {}
    for event in sorted(events, key=lambda event: event["id"]):
        if event["kind"] == "stage":
            begun[event["endpoint"]] = event
        elif event["kind"] in ("pass", "fail", "leave"):
            stage = begun[event["endpoint"]]
            found[event["endpoint"], stage["evidence"]["percent"]] = (stage["at"], event["at"])
    return found


@cache
def ledger(reported: Reported) -> list[tuple[str, str, datetime, Tally]]:
    """Return every row of the ledger, as of the first call."""
    return [
        (row["endpoint"], row["arm"], row["bucket"], tally_of(row))
        for row in rows(reported, "SELECT * FROM canary_ledger")
    ]


def tally_of(row: Mapping[str, Any]) -> Tally:
    """Return the counts of a row of the ledger."""
    counts: dict[str, Any] = {name: x for name, x in row.items() if isinstance(x, int)}
    return Tally(**counts, latency={int(index): x for index, x in row["latency"].items()})


def counted(reported: Reported, endpoint: str, arm: str, since: datetime, until: datetime) -> Tally:
    """Return the sum of the ledger's rows in a window."""
    total = Tally()
    for name, which, bucket, tally in ledger(reported):
        if (name, which) == (endpoint, arm) and since <= bucket < until:
            total.add(tally)
    return total


def within(tally: Tally, percent: int) -> float | None:
    """Return a percentile of the latency in ms, from the sorted list of all runs."""
    runs = sorted(i for index, count in tally.latency.items() for i in [index] * count)
    if not runs:
        return None
    return 2000 * GAMMA ** runs[math.ceil(len(runs) * percent / 100) - 1] / (GAMMA + 1)


def buckets(since: datetime, until: datetime) -> int:
    """Return how many buckets of the ledger begin in a window."""
    return math.ceil(until.timestamp() / 10) - math.ceil(since.timestamp() / 10)
