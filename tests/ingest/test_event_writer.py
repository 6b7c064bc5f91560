"""Writing events: all or nothing, and every text as it was."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import extensions

from detection_api.ingest.database import connect
from detection_api.ingest.event_lines import Parsed, parse
from detection_api.ingest.event_writer import Checkpoint, EventWriter, LogBusyError
from detection_api.ingest.log_file import LogPosition
from tests.ingest.support import NOVEMBER_23, hourly, hourly_of_events, line, lines, query, stored

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
POSITION = LogPosition(device=2**64 - 1, inode=2**64 - 2, head="00", offset=100)


@pytest.fixture
def connection(database: str) -> Iterator[extensions.connection]:
    with closing(connect(database, "test")) as connection:
        yield connection


def _parsed(content: bytes) -> Parsed:
    return parse(content, offset=0, size=len(content))


def test_what_is_written_is_there_with_its_counts_and_checkpoint(
    connection: extensions.connection, database: str
) -> None:
    writer = EventWriter(connection, "/log")
    assert writer.checkpoint() is None
    writer.write(_parsed(lines(*range(100)) + b"x\n"), POSITION, NOW)
    assert stored(database) == list(range(100))
    assert hourly(database) == hourly_of_events(database)
    assert writer.checkpoint() == Checkpoint(POSITION, NOW)


def test_counts_of_the_same_hour_and_totals_of_the_log_add_up(
    connection: extensions.connection, database: str
) -> None:
    writer = EventWriter(connection, "/log")
    later = LogPosition(device=1, inode=2, head="ff", offset=7)
    writer.write(_parsed(lines(1, 2, 3) + b"x\n"), POSITION, NOW)
    writer.write(_parsed(lines(4, 5, 9) + b"x\ny\n"), later, NOW + timedelta(seconds=1))
    assert hourly(database) == hourly_of_events(database)
    assert sum(hourly(database).values()) == 6
    assert writer.checkpoint() == Checkpoint(later, NOW + timedelta(seconds=1))
    assert query(database, "SELECT lines, malformed FROM ingest_checkpoints") == [(9, 3)]


@pytest.mark.parametrize("table", ["events", "hourly_event_counts", "ingest_checkpoints"])
def test_a_failure_at_any_table_leaves_nothing_of_the_write(
    connection: extensions.connection, database: str, table: str
) -> None:
    writer = EventWriter(connection, "/log")
    query(
        database,
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'refused'; END $$",
    )
    query(database, f"CREATE TRIGGER fail AFTER INSERT ON {table} EXECUTE FUNCTION fail()")
    try:
        with pytest.raises(psycopg2.Error, match="refused"):
            writer.write(_parsed(lines(1, 2, 3)), POSITION, NOW)
    finally:
        query(database, "DROP FUNCTION fail CASCADE")
    assert (stored(database), hourly(database), writer.checkpoint()) == ([], {}, None)
    writer.write(_parsed(lines(1, 2, 3)), POSITION, NOW)
    assert stored(database) == [1, 2, 3]


def test_a_month_without_a_partition_gets_one_and_an_implausible_time_is_kept_too(
    connection: extensions.connection, database: str
) -> None:
    query(database, "DROP TABLE IF EXISTS events_y2026m08")
    august = NOVEMBER_23 - 100 * 86400
    content = line(1, ts=august) + line(2, ts=0) + line(3, ts=253402300799.9)
    EventWriter(connection, "/log").write(_parsed(content), POSITION, NOW)
    assert query(database, "SELECT track_id, tableoid::regclass::text FROM events ORDER BY id") == [
        (1, "events_y2026m08"),
        (2, "events_default"),
        (3, "events_default"),
    ]
    assert hourly(database) == hourly_of_events(database)


def test_one_log_has_one_writer_and_another_log_another(
    connection: extensions.connection, database: str
) -> None:
    EventWriter(connection, "/log")
    with closing(connect(database, "second")) as second:
        with pytest.raises(LogBusyError, match=r"^/log is already being ingested"):
            EventWriter(second, "/log")
        EventWriter(second, "/other")
        connection.close()
        with closing(connect(database, "third")) as third:
            EventWriter(third, "/log")


_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
_tricky = st.text(st.sampled_from("\\\t\n\r\"'{}N.é😀 "), min_size=1, max_size=6)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    type_=_text | _tricky,
    region=st.none() | _text | _tricky,
    evidence=st.dictionaries(_text | _tricky, _text | _tricky | st.floats(allow_nan=False)),
    ts=st.floats(0, 253402300799),
)
def test_every_value_comes_back_as_it_was(
    database: str, type_: str, region: str | None, evidence: dict[str, Any], ts: float
) -> None:
    evidence = {k: None if v in (float("inf"), -float("inf")) else v for k, v in evidence.items()}
    evidence |= {"region": region}
    event = {"ts": ts, "type": type_[:255], "camera_id": type_[:255], "evidence": evidence}
    parsed = _parsed(msgspec.json.encode(event) + b"\n")
    assert parsed.malformed == (rb"\u0000" in msgspec.json.encode(event))
    query(database, "TRUNCATE events")
    with closing(connect(database, "test")) as connection:
        EventWriter(connection, "/log").write(parsed, POSITION, NOW)
    rows = query(database, "SELECT ts, type, camera_id, region, evidence::text FROM events")
    if parsed.events:
        assert rows == [
            (ts, type_[:255], type_[:255], region, msgspec.json.encode(evidence).decode())
        ]
