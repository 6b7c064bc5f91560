"""PostgreSQL refuses violations of an unknown type or status."""

import psycopg2
import pytest

from detection_api.models.records import VIOLATION_STATUSES, VIOLATION_TYPES
from tests.ingest.support import query

INSERT = (
    "INSERT INTO violation_events (timestamp, camera_id, violation_type, status)"
    " VALUES (now(), 'cam0', %s, %s)"
)


def test_every_type_and_status_can_be_stored(database: str, unbound_waits: None) -> None:
    for kind in VIOLATION_TYPES:
        for status in VIOLATION_STATUSES:
            query(database, INSERT, kind, status)
    expected = len(VIOLATION_TYPES) * len(VIOLATION_STATUSES)
    assert query(database, "SELECT count(*) FROM violation_events") == [(expected,)]


@pytest.mark.parametrize(("kind", "status"), [("no_gloves", "pending"), ("no_hairnet", "lost")])
def test_an_unknown_type_or_status_is_refused(
    database: str, unbound_waits: None, kind: str, status: str
) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation):
        query(database, INSERT, kind, status)


def test_totals_follow_the_records(database: str, unbound_waits: None) -> None:
    for camera in ("cam0", "cam0", "cam1"):
        query(
            database,
            "INSERT INTO detection_records (timestamp, camera_id) VALUES ('2026-11-23 10:15Z', %s)",
            camera,
        )
    query(database, "DELETE FROM detection_records WHERE camera_id = 'cam1'")
    assert query(
        database, "SELECT camera_id, count FROM record_totals WHERE count > 0 ORDER BY 1"
    ) == [("cam0", 2)]
