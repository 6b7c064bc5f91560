"""The statements of the peers, which use the same tables, indexes and counts as the services."""

from functools import cache

RECORDS = """
WITH page AS (
    SELECT id, camera_id, timestamp, frame_number, person_count, hairnet_violations,
           handwash_events, sanitize_events, fps, processing_time
    FROM detection_records
    WHERE camera_id = $1
    ORDER BY timestamp DESC, id DESC
    LIMIT $2 OFFSET $3
)
SELECT page.*, coalesce(totals.count, 0) AS total
FROM (SELECT $1::text AS camera_id) AS targets
LEFT JOIN record_totals AS totals USING (camera_id)
LEFT JOIN page ON true
ORDER BY page.timestamp DESC, page.id DESC
"""

RECENT_RECORDS = RECORDS.replace(
    "WHERE camera_id = $1",
    "WHERE camera_id = $1 AND timestamp >= statement_timestamp() - interval '31 days'",
)

RECORDS_OF_WINDOW = """
WITH matching AS (
    SELECT id, camera_id, timestamp, frame_number, person_count, hairnet_violations,
           handwash_events, sanitize_events, fps, processing_time
    FROM detection_records
    WHERE camera_id = $1 AND timestamp BETWEEN coalesce($4::timestamptz, '-infinity')
      AND coalesce($5::timestamptz, 'infinity')
), page AS (
    SELECT * FROM matching ORDER BY timestamp DESC, id DESC LIMIT $2 OFFSET $3
)
SELECT page.*, counted.total
FROM (SELECT count(*) AS total FROM matching) AS counted LEFT JOIN page ON true
ORDER BY page.timestamp DESC, page.id DESC
"""

VIOLATION = """
SELECT id, camera_id, timestamp, violation_type, track_id, confidence, status, snapshot_path,
       bbox, handled_at, handled_by, notes, created_at, updated_at
FROM violation_events
WHERE id = $1
"""

CAMERAS = """
SELECT id, name, source, location, status, active, auto_start, resolution, fps, region_id,
       regions_file
FROM cameras
ORDER BY position
"""

ACTIVE_CAMERAS = CAMERAS.replace("ORDER BY", "WHERE active ORDER BY")

CAMERA_STATS = """
SELECT total_frames, processed_frames, detected_persons, detected_hairnets, detected_handwash,
       avg_fps, avg_detection_time, s.timestamp AS last_detection_time
FROM cameras JOIN camera_statistics AS s ON cameras.id = s.camera_id
WHERE cameras.id = $1
"""

_DAILY = """
SELECT day AS date, type, sum(count)::bigint AS count
FROM daily_event_counts
WHERE day >= $1 AND day <= $2 {filters}
GROUP BY 1, 2
ORDER BY 2
"""

_EVENTS = """
SELECT ts, timestamp, type, camera_id, confidence, track_id, region, evidence AS metadata
FROM events
WHERE timestamp BETWEEN $1 AND $2 {filters}
ORDER BY timestamp DESC, id DESC
LIMIT $3
"""

_HISTORY = """
SELECT ts, camera_id, type, track_id, region, evidence AS detail
FROM events
WHERE timestamp >= $1 {filters}
ORDER BY timestamp DESC, id DESC
LIMIT $2
"""


@cache
def daily(*filters: str) -> str:
    """Return the statement for counts by day and type; each filter column equals a parameter."""
    return _filtered(_DAILY, 3, filters)


@cache
def events(*filters: str) -> str:
    """Return the statement for the events of a window; for `filters` see `daily`."""
    return _filtered(_EVENTS, 4, filters)


@cache
def history(*filters: str) -> str:
    """Return the statement for the events since a time; for `filters` see `daily`."""
    return _filtered(_HISTORY, 3, filters)


def _filtered(statement: str, first: int, filters: tuple[str, ...]) -> str:
    conditions = [f"AND {column} = ${first + n}" for n, column in enumerate(filters)]
    return statement.format(filters=" ".join(conditions))
