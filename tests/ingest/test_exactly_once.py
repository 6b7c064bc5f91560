"""The promise of ingestion: however it dies, every line is in the tables exactly once."""

import random
from pathlib import Path
from threading import Event

from tests.ingest.support import (
    Command,
    append,
    hourly,
    hourly_of_events,
    killed_follower,
    line,
    query,
    stored,
    wait_until,
)

KILLS = 50
LINES = 100_000


def test_a_follower_killed_fifty_times_carries_every_line_over_exactly_once(
    database: str, tmp_path: Path
) -> None:
    log = tmp_path / "events.jsonl"
    moments = random.Random(20261123)
    content = b"".join(line(number) for number in range(LINES))
    pieces = sorted(moments.sample(range(1, len(content)), 2 * KILLS - 1))
    ends = iter([*pieces, len(content)])
    pause, end = Event(), 0
    for kill in range(KILLS):
        start, middle, end = end, next(ends), next(ends)
        append(log, content[start:middle])
        with killed_follower(database, log):
            if kill % 2:  # else it may die before it has stored anything
                wait_until(lambda: _offset(database) > start)  # noqa: B023 - called at once
            append(log, content[middle:end])
            pause.wait(moments.uniform(0, 0.05))
    with Command("events", log, "--follow", DATABASE_URL=database) as follower:
        wait_until(lambda: _offset(database) == len(content), seconds=30)
        code, _ = follower.terminate()
    assert code == 0
    assert stored(database) == list(range(LINES))
    assert hourly(database) == hourly_of_events(database)
    assert query(database, "SELECT lines, malformed FROM ingest_checkpoints") == [(LINES, 0)]


def _offset(url: str) -> int:
    """How far the log is stored; 0 before anything is."""
    return sum(int(offset) for (offset,) in query(url, 'SELECT "offset" FROM ingest_checkpoints'))
