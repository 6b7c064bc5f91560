"""Detection records and violations, by hand-written SQL."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg2.extras import RealDictCursor

from detection_api.db import Connection, PagePosition
from detection_api.errors import NotFoundError
from detection_api.legacy.json_values import utc_text
from detection_api.legacy.sources import sources

_COUNT = "SELECT COUNT(*) AS total FROM detection_records WHERE {conditions}"

_PAGE = """
SELECT id, camera_id, timestamp, frame_number, person_count, hairnet_violations,
       handwash_events, sanitize_events, fps, processing_time
FROM detection_records
WHERE {conditions}
ORDER BY timestamp DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s
"""

_NEWEST_VIOLATIONS = """
SELECT id, camera_id, timestamp, violation_type, track_id, confidence, status, snapshot_path,
       bbox, handled_at, handled_by, notes, created_at, updated_at
FROM violation_events
ORDER BY timestamp DESC, id DESC
LIMIT 1000
"""

Row = dict[str, Any]


def detection_records(
    *,
    camera_id: str,
    limit: int,
    offset: int,
    cursor: PagePosition | None,
    start_time: datetime | None,
    end_time: datetime | None,
) -> dict[str, Any]:
    """Return one page of a camera's records, newest first, and the total.

    The page starts `offset` records after `cursor`, or after the newest record. Raises
    DeadlineExceededError, and psycopg2's errors.
    """
    parameters: Row = {
        "camera_id": camera_id,
        "start_time": start_time,
        "end_time": end_time,
        "limit": limit,
        "offset": offset,
    }
    conditions = "camera_id = %(camera_id)s"
    if start_time is not None:
        conditions += " AND timestamp >= %(start_time)s"
    if end_time is not None:
        conditions += " AND timestamp <= %(end_time)s"
    wanted = conditions
    if cursor is not None:
        wanted += " AND (timestamp, id) < (%(last_moment)s, %(last_id)s)"
        parameters |= {"last_moment": cursor.timestamp, "last_id": cursor.id}
    with sources.pool.connection() as connection:
        page = _rows(connection, _PAGE.format(conditions=wanted), parameters)
        counted = _rows(connection, _COUNT.format(conditions=conditions), parameters)
    return {
        "records": [_as_json(row) for row in page],
        "total": counted[0]["total"],
        "camera_id": camera_id,
        "limit": limit,
        "offset": offset,
    }


def violation(*, violation_id: int) -> Row:
    """Return the violation with this id, if it is among the newest 1,000.

    Raises NotFoundError if it is not among them, DeadlineExceededError, and psycopg2's errors.
    """
    with sources.pool.connection() as connection:
        newest = _rows(connection, _NEWEST_VIOLATIONS, {})
    for row in newest:
        if row["id"] == violation_id:
            return _as_json(row)
    raise NotFoundError(f"There is no violation {violation_id}.")


def _rows(connection: Connection, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
    cursor = connection.cursor(cursor_factory=RealDictCursor)
    cursor.execute(sql, parameters)
    return list(cursor.fetchall())


def _as_json(row: Row) -> Row:
    return {
        name: utc_text(value) if isinstance(value, datetime) else value
        for name, value in row.items()
    }
