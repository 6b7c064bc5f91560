"""Monthly partitions: which there are, where rows end up, and whom making one holds up."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from threading import Thread

import psycopg2
import pytest
from psycopg2 import extensions

from detection_api.db import partitions
from detection_api.db.partitions import Partitions
from tests.ingest.support import query

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def connection(database: str) -> Iterator[extensions.connection]:
    """A writer's connection to a database without partitions but the default ones."""
    for table in partitions.TABLES:
        for (partition,) in query(
            database,
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass",
            table,
        ):
            if not partition.endswith("_default"):
                query(database, f"DROP TABLE {partition}")
    with closing(psycopg2.connect(database)) as connection:
        connection.autocommit = True
        yield connection


def _insert(url: str, *moments: str) -> None:
    for moment in moments:
        query(
            url,
            "INSERT INTO events (timestamp, ts, type, camera_id, confidence, evidence)"
            " VALUES (%s, 0, 'a', 'b', 0, '{}')",
            moment,
        )


def _where(url: str) -> list[tuple[str, str]]:
    """Each event's partition and month, in the order of ids."""
    return query(
        url,
        "SELECT tableoid::regclass::text, to_char(timestamp, 'YYYY-MM') FROM events ORDER BY id",
    )


def _names(url: str) -> set[str]:
    rows = query(url, "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")
    return {name for (name,) in rows}


@pytest.mark.parametrize(
    ("month", "months", "expected"),
    [
        (date(2026, 11, 1), 0, date(2026, 11, 1)),
        (date(2026, 11, 1), 3, date(2027, 2, 1)),
        (date(2026, 12, 1), 1, date(2027, 1, 1)),
        (date(2026, 1, 1), -1, date(2025, 12, 1)),
        (date(2026, 11, 1), -25, date(2024, 10, 1)),
    ],
)
def test_months_are_counted_over_the_turn_of_the_year(
    month: date, months: int, expected: date
) -> None:
    assert partitions.shift(month, months) == expected


@pytest.mark.parametrize(
    "table", ["events_default", "events_y2026m11", "detection_records_default"]
)
def test_a_partition_is_known_by_its_name(table: str) -> None:
    assert partitions.is_partition(table)


@pytest.mark.parametrize("table", ["events", "detection_records", "violation_events", "cameras"])
def test_a_table_is_no_partition(table: str) -> None:
    assert not partitions.is_partition(table)


def test_this_month_and_the_next_three_are_made_for_both_tables(
    connection: extensions.connection, database: str
) -> None:
    Partitions(connection).prepare(NOW)
    made = {
        f"{table}_{suffix}"
        for table in partitions.TABLES
        for suffix in ("default", "y2026m11", "y2026m12", "y2027m01", "y2027m02")
    }
    assert _names(database) == made
    assert all(map(partitions.is_partition, made))


def test_plausible_months_of_events_get_partitions_and_others_do_not(
    connection: extensions.connection, database: str
) -> None:
    months = [date(2024, 9, 1), date(2024, 10, 1), date(2027, 2, 1), date(2027, 3, 1)]
    Partitions(connection).prepare(NOW, months)
    names = _names(database)
    assert "events_y2024m10" in names
    assert "events_y2027m02" in names
    assert names.isdisjoint({"events_y2024m09", "events_y2027m03", "detection_records_y2024m10"})


def test_no_timestamp_is_refused(connection: extensions.connection, database: str) -> None:
    Partitions(connection).prepare(NOW)
    _insert(database, "1970-01-01Z", "2026-11-30 23:59:59.999999Z", "2026-12-01Z", "9999-12-31Z")
    assert [name for name, _ in _where(database)] == [
        "events_default",
        "events_y2026m11",
        "events_y2026m12",
        "events_default",
    ]


def test_rows_in_the_default_partition_move_into_the_new_one_and_keep_their_ids(
    connection: extensions.connection, database: str
) -> None:
    _insert(database, "2026-10-31Z", "2026-11-01Z", "2026-12-01Z", "2026-11-30 23:59:59.999999Z")
    before = query(database, "SELECT * FROM events ORDER BY id")
    partitions.create(connection, "events", date(2026, 11, 1))
    assert query(database, "SELECT * FROM events ORDER BY id") == before
    assert _where(database) == [
        ("events_default", "2026-10"),
        ("events_y2026m11", "2026-11"),
        ("events_default", "2026-12"),
        ("events_y2026m11", "2026-11"),
    ]


def test_a_new_partition_has_its_tables_indexes(
    connection: extensions.connection, database: str
) -> None:
    partitions.create(connection, "events", date(2026, 11, 1))
    children = query(
        database,
        "SELECT count(*) FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indexrelid"
        " WHERE i.indrelid = 'events_y2026m11'::regclass",
    )
    parents = query(database, "SELECT count(*) FROM pg_index WHERE indrelid = 'events'::regclass")
    assert children == parents


def test_processes_that_make_the_same_partitions_at_once_do_not_fail(
    connection: extensions.connection, database: str
) -> None:
    _insert(database, *["2026-11-05Z"] * 20)
    failures: list[Exception] = []

    def prepare() -> None:
        with closing(psycopg2.connect(database)) as own:
            own.autocommit = True
            try:
                Partitions(own).prepare(NOW)
            except psycopg2.Error as error:
                failures.append(error)

    threads = [Thread(target=prepare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {name for name, _ in _where(database)} == {"events_y2026m11"}
    assert len(_where(database)) == 20


def test_readers_are_not_held_up_behind_a_long_reader_of_the_default_partition(
    connection: extensions.connection, database: str
) -> None:
    """The partition is postponed, rows go to the default one, and it is made a minute later."""
    pending = Partitions(connection)
    with closing(psycopg2.connect(database)) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM events")
        pending.prepare(NOW)
        _insert(database, "2026-11-05Z")
        assert _where(database) == [("events_default", "2026-11")]
        assert "events_y2026m11" not in _names(database)
    pending.prepare(NOW + timedelta(seconds=59))
    assert "events_y2026m11" not in _names(database)
    pending.prepare(NOW + timedelta(seconds=60))
    assert _where(database) == [("events_y2026m11", "2026-11")]


def test_what_is_made_already_is_not_looked_for_again(
    connection: extensions.connection, database: str
) -> None:
    made = Partitions(connection)
    made.prepare(NOW)
    connection.close()
    made.prepare(NOW, [date(2026, 11, 1)])
