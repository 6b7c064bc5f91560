"""Write detection records and violations with separate SQL, as detectors do."""

from collections.abc import Iterable

import psycopg2
from psycopg2 import extensions
from psycopg2.extras import Json, execute_values

from detection_api.dev.demo.visits import SimulatedViolation
from detection_api.dev.demo.world import SimulatedRecord

_INSERT_RECORDS = (
    "INSERT INTO detection_records (camera_id, timestamp, frame_number, person_count,"
    " hairnet_violations, handwash_events, sanitize_events, fps, processing_time) VALUES %s"
)
_INSERT_VIOLATIONS = (
    "INSERT INTO violation_events (camera_id, timestamp, violation_type, track_id, confidence,"
    " status, snapshot_path, bbox, handled_at, handled_by, notes, created_at, updated_at)"
    " VALUES %s"
)

CONNECT_TIMEOUT = 5
"""Seconds."""


def connect(url: str) -> extensions.connection:
    """Return an autocommit connection to the libpq URL `url`."""
    connection = psycopg2.connect(
        url, application_name="detection-api demo", connect_timeout=CONNECT_TIMEOUT
    )
    connection.autocommit = True
    return connection


def insert(
    connection: extensions.connection,
    records: Iterable[SimulatedRecord],
    violations: Iterable[SimulatedViolation],
) -> None:
    """Insert both in one transaction, in the given order; raises psycopg2's errors."""
    with connection, connection.cursor() as cursor:
        execute_values(cursor, _INSERT_RECORDS, records, page_size=1000)
        execute_values(cursor, _INSERT_VIOLATIONS, map(_row, violations), page_size=1000)


def _row(violation: SimulatedViolation) -> tuple[object, ...]:
    values = violation._asdict()
    if violation.bbox is not None:
        values["bbox"] = Json(violation.bbox)
    return (*values.values(), violation.timestamp, violation.handled_at or violation.timestamp)
