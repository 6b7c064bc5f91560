"""The demo's rows are inserted together, or not at all."""

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import extensions

from detection_api.dev.demo import tables
from detection_api.dev.demo.world import World
from tests.ingest.support import query

SINCE, UNTIL = 1_795_392_000.0, 1_795_420_800.0
RECORDS = World().records(SINCE, UNTIL, every=600)
VIOLATIONS = World().violations(SINCE, UNTIL)


@pytest.fixture
def connection(database: str, unbound_waits: None) -> Iterator[extensions.connection]:
    with closing(tables.connect(database)) as connection:
        yield connection


def test_rows_get_ids_in_the_given_order(connection: extensions.connection, database: str) -> None:
    tables.insert(connection, RECORDS, VIOLATIONS)
    rows = query(database, "SELECT timestamp, camera_id FROM detection_records ORDER BY id")
    assert rows == [(record.timestamp, record.camera_id) for record in RECORDS]
    rows = query(database, "SELECT timestamp, bbox FROM violation_events ORDER BY id")
    assert rows == [(violation.timestamp, violation.bbox) for violation in VIOLATIONS]


def test_a_violation_was_last_updated_when_it_was_handled(
    connection: extensions.connection, database: str
) -> None:
    tables.insert(connection, [], VIOLATIONS)
    wrong = (
        "SELECT count(*) FROM violation_events WHERE updated_at <> coalesce(handled_at, timestamp)"
    )
    assert query(database, wrong) == [(0,)]


def test_a_row_that_is_refused_takes_all_others_with_it(
    connection: extensions.connection, database: str
) -> None:
    refused = VIOLATIONS[0]._replace(violation_type="no_gloves")
    with pytest.raises(psycopg2.errors.CheckViolation):
        tables.insert(connection, RECORDS, [*VIOLATIONS, refused])
    assert query(database, "SELECT count(*) FROM detection_records") == [(0,)]
