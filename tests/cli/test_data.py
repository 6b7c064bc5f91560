"""Old months go for good, and nothing else does; nobody who reads or writes meanwhile notices."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from threading import Event, Thread
from typing import Any

import psycopg2
import pytest
from click.testing import CliRunner, Result
from psycopg2 import extensions

from detection_api.cli import data, main
from detection_api.db import partitions, retention
from tests.ingest.support import query, wait_until

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MONTHS = tuple(partitions.shift(date(2026, 11, 1), -ago) for ago in range(6))
"""June to November, newest first; of which 90 days before NOW leave June and July behind."""

Run = Callable[..., Result]


@pytest.fixture
def connection(database: str) -> Iterator[extensions.connection]:
    """A connection as the command has it, without a wait callback."""
    callback = extensions.get_wait_callback()
    extensions.set_wait_callback(None)
    with closing(psycopg2.connect(database)) as connection:
        connection.autocommit = True
        yield connection
    extensions.set_wait_callback(callback)


@pytest.fixture
def history(connection: extensions.connection, database: str) -> str:
    """Half a year: an event, a record and a count in each month, and an event of long ago."""
    for name in _months(database):
        query(database, f"DROP TABLE {name}")
    for month in MONTHS:
        for table in partitions.TABLES:
            partitions.create(connection, table, month)
        _insert(database, f"{month:%Y-%m}-15")
    _insert(database, "2001-02-03")
    return database


@pytest.fixture
def run(history: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("DATABASE_URL", history)
    monkeypatch.setenv("ENV_FILE", "none")
    monkeypatch.setattr(data, "utc_now", lambda: NOW)

    def prune(*arguments: str, answer: str = "") -> Result:
        return CliRunner().invoke(main.main, ["data", "prune", *arguments], input=answer)

    return prune


def _insert(url: str, day: str) -> None:
    query(
        url,
        "INSERT INTO events (timestamp, ts, type, camera_id, confidence, evidence)"
        " VALUES (%s, 0, 'a', 'b', 0, '{}')",
        f"{day}Z",
    )
    query(url, "INSERT INTO detection_records (timestamp, camera_id) VALUES (%s, 'b')", f"{day}Z")
    query(
        url,
        "INSERT INTO hourly_event_counts AS old VALUES (%s, 'b', 'a', 1)"
        " ON CONFLICT (hour, camera_id, type) DO UPDATE SET count = old.count + 1",
        f"{day}Z",
    )


def _months(url: str) -> list[str]:
    """The monthly tables there are, attached or not."""
    rows = query(
        url, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '_y[0-9]{4}m'"
    )
    return sorted(name for (name,) in rows if partitions.is_partition(name))


def _left(url: str, table: str) -> list[str]:
    rows = query(url, f"SELECT to_char(timestamp, 'YYYY-MM') FROM {table} ORDER BY 1")
    return [month for (month,) in rows]


KEPT = ["2001-02", "2026-08", "2026-09", "2026-10", "2026-11"]


def test_months_that_are_older_go_with_all_their_rows_and_the_rest_stays(
    run: Run, history: str
) -> None:
    counts = query(history, "SELECT * FROM daily_event_counts ORDER BY day")
    assert len(counts) == len(MONTHS) + 1
    result = run("--older-than", "90d", "--yes")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-4:] == [
        f"dropped {table}_y2026m{month}" for table in partitions.TABLES for month in ("06", "07")
    ]
    assert _left(history, "events") == _left(history, "detection_records") == KEPT
    assert _months(history) == sorted(
        f"{table}_y2026m{month:02}" for table in partitions.TABLES for month in (8, 9, 10, 11)
    )
    assert query(history, "SELECT * FROM daily_event_counts ORDER BY day") == counts
    assert query(history, "SELECT * FROM record_totals") == [("b", len(KEPT))]


def test_what_will_go_is_shown_first_and_only_a_yes_lets_it_go(run: Run, history: str) -> None:
    query(history, "ANALYZE events")
    before = _months(history)
    for answer in ("n\n", ""):
        result = run("--older-than", "90d", answer=answer)
        assert result.exit_code == 1
        lines = result.stdout.splitlines()
        assert lines[:2] == [
            "Kept: everything from 2026-08-25 on, all counts of events, all violations.",
            "Kept, though older: 2 rows outside of monthly partitions.",
        ]
        assert lines[2].startswith("Dropped for good, 0.")
        assert lines[3].startswith("  2026-06  uncounted detection records, 0.")
        assert lines[5].startswith("  2026-06  about 1 events, 0.")
        assert _months(history) == before
    assert run("--older-than", "90d", answer="y\n").exit_code == 0
    assert len(_months(history)) == len(before) - 4


@pytest.mark.parametrize(
    ("age", "oldest"),
    [("83d", "2026-09"), ("84d", "2026-08"), ("22d", "2026-11"), ("23d", "2026-10")],
)
def test_a_month_goes_when_all_of_it_is_older(
    run: Run, history: str, age: str, oldest: str
) -> None:
    """83 days before NOW is the 1st of September, 22 days before it the 1st of November."""
    run("--older-than", age, "--yes")
    assert _left(history, "events")[1] == oldest


def test_where_nothing_is_older_nothing_is_asked(run: Run, history: str) -> None:
    result = run("--older-than", "300d")
    assert result.exit_code == 0
    assert result.stdout.endswith("No month is older: there is nothing to drop.\n")


@pytest.mark.parametrize("age", ["90", "0d", "-1d", "3 months", "1.5d", "٣d", ""])
def test_an_age_that_is_none_is_refused(run: Run, age: str) -> None:
    result = run("--older-than", age, "--yes")
    assert result.exit_code == 2
    assert "must be days, such as 90d" in result.stderr


def test_a_month_whose_dropping_was_cut_short_is_dropped_by_the_next_run(
    run: Run, history: str
) -> None:
    query(history, "ALTER TABLE events DETACH PARTITION events_y2026m06")
    assert run("--older-than", "90d", "--yes").exit_code == 0
    assert "events_y2026m06" not in _months(history)


def test_a_long_reader_delays_dropping_and_nobody_is_held_up_behind_it(
    run: Run, history: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two attempts others read while the long reader still does."""
    read_meanwhile = []
    with closing(psycopg2.connect(history)) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM events")

        def pause(_: float) -> None:
            read_meanwhile.append(_left(history, "events"))
            if len(read_meanwhile) == 2:
                reader.commit()

        monkeypatch.setattr("time.sleep", pause)
        result = run("--older-than", "90d", "--yes")
    assert result.exit_code == 0
    assert read_meanwhile == [["2001-02", "2026-06", "2026-07", *KEPT[1:]]] * 2
    assert _left(history, "events") == KEPT


def test_a_reader_that_never_ends_is_one_clear_line(
    run: Run, history: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ATTEMPTS", 1)
    monkeypatch.setattr(retention, "RETRY_INTERVAL", 0)
    with closing(psycopg2.connect(history)) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM events")
        result = run("--older-than", "90d", "--yes")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: events_y2026m06 is not dropped: ")
    assert "events_y2026m06" in _months(history)


def test_readers_and_writers_go_on_while_months_are_dropped(run: Run, history: str) -> None:
    """Prepared statements over all time and over the newest month, and a writer, without an error.

    What is kept is in every answer.
    """
    done, failures = Event(), []
    reads = {"all": 0, "newest": 0}
    statements = {
        "all": "SELECT count(*) FILTER (WHERE timestamp >= '2026-08-01') FROM events",
        "newest": "SELECT 3 + count(*) FROM events WHERE timestamp >= '2026-11-01'",
    }

    def repeat(work: Callable[[Any], None]) -> None:
        try:
            with closing(psycopg2.connect(history)) as own, own.cursor() as cursor:
                own.autocommit = True
                while not done.is_set():
                    work(cursor)
        except (psycopg2.Error, AssertionError) as error:
            failures.append(error)

    def read(kind: str) -> Callable[[Any], None]:
        def work(cursor: Any) -> None:
            if not reads[kind]:
                cursor.execute(f"PREPARE statement AS {statements[kind]}")
            cursor.execute("EXECUTE statement")
            assert cursor.fetchone()[0] >= 4
            reads[kind] += 1

        return work

    def write(_: Any) -> None:
        _insert(history, "2026-11-23")

    threads = [Thread(target=repeat, args=(work,)) for work in (read("all"), read("newest"), write)]
    for thread in threads:
        thread.start()
    wait_until(lambda: min(reads.values()) > 10)
    result = run("--older-than", "90d", "--yes")
    seen = dict(reads)
    wait_until(lambda: all(reads[kind] > seen[kind] + 10 for kind in reads) or bool(failures))
    done.set()
    for thread in threads:
        thread.join()
    assert result.exit_code == 0
    assert failures == []
    left = _left(history, "detection_records")
    assert {"2026-06", "2026-07"}.isdisjoint(_left(history, "events") + left)
    assert query(history, "SELECT count FROM record_totals") == [(len(left),)]
