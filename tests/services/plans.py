"""Months of rows, and the plans that PostgreSQL makes for the services' statements."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec

from detection_api.db import Pool, Query
from tests.world import NOW

PARAMETERS: dict[str, Any] = {
    "camera_id": "cam3",
    "event_type": "T3",
    "violation_id": 1,
    "limit": 9,
    "offset": 9,
    "last_moment": NOW - timedelta(hours=1),
    "last_id": 9,
    **dict.fromkeys(("start", "start_time"), NOW - timedelta(days=1)),
    **dict.fromkeys(("end", "end_time"), NOW),
    "first": NOW.date() - timedelta(days=1),
    "last": NOW.date(),
}
FILL = """
INSERT INTO detection_records (timestamp, camera_id)
SELECT timestamptz '2025-08-01 00:00+00' + interval '1 minute' * n * 6, 'cam' || n % 10
FROM generate_series(1, 20000) n;
INSERT INTO events (timestamp, ts, type, camera_id, confidence, evidence)
SELECT timestamp, extract(epoch FROM timestamp), 'T' || id % 5, camera_id, 0, '{}'
FROM detection_records;
INSERT INTO violation_events (timestamp, camera_id, violation_type)
SELECT timestamp, camera_id, 'no_hairnet' FROM detection_records;
INSERT INTO hourly_event_counts
SELECT date_trunc('hour', timestamp), camera_id, type, count(*) FROM events GROUP BY 1, 2, 3;
ANALYZE;
"""
UNINDEXED = {"events_default", "detection_records_default", "record_totals"}
"""Tables without rows, or with one row for each camera."""


def generic_plan(pool: Pool, query: Query) -> list[dict[str, Any]]:
    """Return the nodes of the plan that a long-lived connection uses for any parameters."""
    with pool.connection() as connection:
        cursor = connection.cursor()
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        cursor.execute(query.prepare)
        values = [PARAMETERS[parameter] for parameter in query.parameters]
        cursor.execute(f"EXPLAIN (FORMAT JSON) {query.execute}", values)
        row = cursor.fetchone()
    assert row is not None
    return list(nodes(msgspec.json.decode(row[0])[0]["Plan"]))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a plan and all plans below it."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def assert_indexed(pool: Pool, query: Query, columns: list[str]) -> None:
    """Assert that rows are found through an index, with conditions on all `columns`."""
    found = generic_plan(pool, query)
    conditions = [node["Index Cond"] for node in found if "Index Cond" in node]
    assert conditions
    for condition in conditions:
        assert all(column in condition for column in columns)
    scanned = {node["Relation Name"] for node in found if node["Node Type"] == "Seq Scan"}
    assert scanned <= UNINDEXED


def assert_pruned(pool: Pool, query: Query) -> None:
    """Assert that months outside the window are not read."""
    appends = [node for node in generic_plan(pool, query) if "Append" in node["Node Type"]]
    assert appends
    for append in appends:
        assert append["Subplans Removed"] >= 2
