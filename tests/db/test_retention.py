"""Old partitions are dropped as soon as their readers allow it."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime

import psycopg2
import pytest
from psycopg2 import extensions

from detection_api.db import partitions, retention
from detection_api.db.retention import (
    PartitionBusyError,
    drop_when_free,
    rows_outside_partitions,
)
from tests.ingest.support import query

OCTOBER = date(2024, 10, 1)
NOVEMBER = datetime(2024, 11, 1, tzinfo=UTC)
INSERT = "INSERT INTO detection_records (timestamp, camera_id) VALUES (%s, 'cam0')"
TABLES = "SELECT count(*) FROM pg_class WHERE relname = 'detection_records_y2024m10'"


@pytest.fixture
def connection(database: str) -> Iterator[extensions.connection]:
    """A connection to a database with one partition, of October 2024, with one row."""
    with closing(psycopg2.connect(database)) as connection:
        connection.autocommit = True
        partitions.create(connection, "detection_records", OCTOBER)
        query(database, INSERT, "2024-10-05Z")
        yield connection
    query(database, "DROP TABLE IF EXISTS detection_records_y2024m10")


@pytest.fixture
def october(connection: extensions.connection) -> partitions.Partition:
    """That partition."""
    (partition,) = partitions.ended_partitions(connection, NOVEMBER)
    return partition


def test_a_partition_is_dropped_with_its_rows(
    database: str, connection: extensions.connection, october: partitions.Partition
) -> None:
    drop_when_free(connection, october)
    assert query(database, TABLES) == [(0,)]
    assert query(database, "SELECT count(*) FROM detection_records") == [(0,)]


def test_a_reader_that_ends_only_delays_dropping(
    database: str,
    connection: extensions.connection,
    october: partitions.Partition,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT_MS", 10)
    with closing(psycopg2.connect(database)) as reader:
        reader.cursor().execute("SELECT count(*) FROM detection_records")
        monkeypatch.setattr("time.sleep", lambda _: reader.rollback())
        drop_when_free(connection, october)
    assert query(database, TABLES) == [(0,)]


def test_a_reader_that_does_not_end_is_an_error_that_names_the_table(
    database: str,
    connection: extensions.connection,
    october: partitions.Partition,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT_MS", 10)
    monkeypatch.setattr(retention, "ATTEMPTS", 2)
    monkeypatch.setattr(retention, "RETRY_INTERVAL", 0)
    with closing(psycopg2.connect(database)) as reader:
        reader.cursor().execute("SELECT count(*) FROM detection_records")
        with pytest.raises(PartitionBusyError, match="detection_records"):
            drop_when_free(connection, october)
    assert query(database, TABLES) == [(1,)]


def test_old_rows_in_the_default_partitions_are_counted(
    database: str, connection: extensions.connection
) -> None:
    for moment in ("2001-01-01Z", "2001-01-02Z", "2024-10-06Z"):
        query(database, INSERT, moment)
    assert rows_outside_partitions(connection, NOVEMBER) == 2
