"""Counts are what counting would find, whoever writes, deletes or moves what is counted."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import flask_migrate
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import extensions

from detection_api.db import partitions
from detection_api.db.partitions import Partition
from tests.clusters import migrating_app, upgrade
from tests.ingest.support import query
from tests.world import NOW, World, event, unbound_waits, world

__all__ = ["world"]

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
CAMERAS = ("cam0", "cam1", "区域")
EDGES = [NOW, NOW.replace(minute=0), datetime(2025, 11, 1, tzinfo=UTC)]
MOMENTS = st.sampled_from(
    [edge + shift for edge in EDGES for shift in (-HOUR, -TICK, timedelta(), TICK, HOUR)]
) | st.datetimes(datetime(2025, 10, 30), datetime(2025, 11, 2), timezones=st.just(UTC))
ROWS = st.lists(st.tuples(st.sampled_from(CAMERAS), MOMENTS), min_size=1, max_size=6)
WRITES = st.one_of(
    st.tuples(st.just("insert"), ROWS),
    st.tuples(st.just("move"), st.sampled_from(CAMERAS), MOMENTS, st.sampled_from(CAMERAS)),
    st.tuples(st.just("shift"), st.sampled_from(CAMERAS), st.timedeltas(-30 * HOUR, 30 * HOUR)),
    st.tuples(st.just("delete"), MOMENTS, MOMENTS),
    st.tuples(st.just("partition"), st.sampled_from([date(2025, 10, 1), date(2025, 11, 1)])),
    st.tuples(st.just("drop"), st.sampled_from([date(2025, 10, 1), date(2025, 11, 1)])),
    st.tuples(st.just("truncate")),
)
WINDOWS = st.lists(
    st.tuples(st.sampled_from(CAMERAS), st.none() | MOMENTS, st.none() | MOMENTS),
    min_size=1,
    max_size=4,
)

COUNTED = "SELECT camera_id, hour, count FROM hourly_record_counts WHERE count <> 0 ORDER BY 1, 2"
HOURS = """
SELECT camera_id, date_trunc('hour', timestamp, 'UTC'), count(*) FROM detection_records
GROUP BY 1, 2 ORDER BY 1, 2
"""
TOTALS = "SELECT camera_id, count FROM record_totals WHERE count <> 0 ORDER BY 1"
CAMERAS_COUNTED = "SELECT camera_id, count(*) FROM detection_records GROUP BY 1 ORDER BY 1"
DAILY = """
SELECT day, camera_id, type, count FROM daily_event_counts WHERE count <> 0 ORDER BY 1, 2, 3
"""
DAYS = """
SELECT (timestamp AT TIME ZONE 'UTC')::date, camera_id, type, count(*) FROM events
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


@pytest.fixture
def connection(database: str) -> Iterator[extensions.connection]:
    with closing(psycopg2.connect(database)) as connection:
        connection.autocommit = True
        yield connection


def write(connection: extensions.connection, what: str, *arguments: Any) -> None:
    """Do what a detector, an operator or ingestion may do to detection records."""
    with connection.cursor() as cursor:
        if what == "insert":
            cursor.executemany(
                "INSERT INTO detection_records (camera_id, timestamp) VALUES (%s, %s)",
                arguments[0],
            )
        elif what == "move":
            cursor.execute(
                "UPDATE detection_records SET camera_id = %s WHERE timestamp <= %s"
                " AND camera_id = %s",
                [arguments[0], arguments[1], arguments[2]],
            )
        elif what == "shift":
            cursor.execute(
                "UPDATE detection_records SET timestamp = timestamp + %s WHERE camera_id = %s",
                [arguments[1], arguments[0]],
            )
        elif what == "delete":
            cursor.execute(
                "DELETE FROM detection_records WHERE timestamp BETWEEN %s AND %s", arguments
            )
        elif what == "truncate":
            cursor.execute("TRUNCATE detection_records")
        elif what == "drop":
            partitions.create(connection, "detection_records", arguments[0])
            partitions.drop_partition(
                connection, Partition("detection_records", arguments[0], None, 0)
            )
        else:
            partitions.create(connection, "detection_records", arguments[0])


def drop_partitions(connection: extensions.connection) -> None:
    """Have all records in the default partition again, as a new database has."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE detection_records")
        for month in ("y2025m10", "y2025m11"):
            cursor.execute(f"DROP TABLE IF EXISTS detection_records_{month}")


def assert_agreed(world: World, **page: Any) -> None:
    """Both arms answer alike, and legacy counts rows."""
    arguments = {"offset": 0, "cursor": None, **page}
    world.ask("records.detection_records", **arguments)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=st.lists(WRITES, min_size=1, max_size=8), windows=WINDOWS)
def test_totals_are_what_counting_finds_after_any_writes_and_in_any_window(
    world: World, connection: extensions.connection, writes: list[Any], windows: list[Any]
) -> None:
    with unbound_waits():
        drop_partitions(connection)
        for each in writes:
            write(connection, *each)
    assert query(world.database_url, COUNTED) == query(world.database_url, HOURS)
    assert query(world.database_url, TOTALS) == query(world.database_url, CAMERAS_COUNTED)
    for camera_id, start_time, end_time in windows:
        window = {"start_time": start_time, "end_time": end_time}
        assert_agreed(world, camera_id=camera_id, limit=2, **window)


@pytest.mark.parametrize("end", [datetime.max, datetime.min], ids=["last", "first"])
def test_windows_may_reach_as_far_as_time_does(world: World, end: datetime) -> None:
    world.insert("detection_records", {"camera_id": "cam0", "timestamp": NOW})
    end = end.replace(tzinfo=UTC)
    for start_time, end_time in ((end, None), (None, end), (end, end)):
        assert_agreed(world, camera_id="cam0", limit=1, start_time=start_time, end_time=end_time)


def test_what_is_rolled_back_is_not_counted(connection: extensions.connection) -> None:
    connection.autocommit = False
    write(connection, "insert", [("cam0", NOW)])
    connection.rollback()
    with connection.cursor() as cursor:
        cursor.execute(TOTALS)
        assert cursor.fetchall() == []


def test_days_follow_the_hours_that_ingestion_counts(world: World) -> None:
    moments = [(NOW - ago * HOUR).timestamp() for ago in (0, 9, 10, 33)]
    kinds: list[dict[str, str]] = [{}, {"type": "B"}, {"camera_id": "cam1"}]
    world.log_events(*(event(moment, **kind) for moment in moments for kind in kinds))
    counted = query(world.database_url, DAILY)
    assert counted == query(world.database_url, DAYS)
    assert {day for day, *_ in counted} == {date(2025, 10, 30), date(2025, 10, 31)}


def test_days_follow_hours_that_are_corrected_by_hand(
    world: World, connection: extensions.connection
) -> None:
    world.log_events(event(NOW.timestamp()), event((NOW - HOUR).timestamp()))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE hourly_event_counts SET count = 5 WHERE hour = %s", [NOW - HOUR / 4])
        cursor.execute("DELETE FROM hourly_event_counts WHERE hour <> %s", [NOW - HOUR / 4])
    assert query(world.database_url, DAILY) == [(NOW.date(), "cam0", "NO_HAIRNET", 5)]


def test_what_is_there_already_is_counted_by_the_migration(
    new_database: Callable[[str], str],
) -> None:
    url = new_database("counted_later")
    upgrade(url)
    with migrating_app(url).app_context():
        flask_migrate.downgrade(revision="0006")
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        moments = [NOW, NOW + HOUR, NOW + 20 * HOUR]
        write(connection, "insert", [(camera, moment) for camera in CAMERAS for moment in moments])
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO hourly_event_counts VALUES (%s, 'cam0', 'A', 3)", [NOW])
    upgrade(url)
    assert query(url, COUNTED) == query(url, HOURS)
    assert query(url, TOTALS) == [(camera, 3) for camera in CAMERAS]
    assert query(url, DAILY) == [(NOW.date(), "cam0", "A", 3)]
