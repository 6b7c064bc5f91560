"""Each endpoint is a prepared statement, which finds what it reads through an index."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta
from typing import Any

import msgspec
import psycopg2
import pytest
from psycopg2 import extensions

from detection_api.db import partitions
from detection_api.db.pool import READ_ONLY, Pool, bound_waits
from detection_api.db.reader import Query, decode_json_exactly
from detection_api.errors import NotFoundError
from detection_api.services import records
from detection_api.services.filtered_query import FilteredQuery
from detection_api.services.statistics import DAILY, EVENTS, HISTORY
from tests.world import NOW, ROUTES, World

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
CALLS: dict[str, dict[str, Any]] = {
    "records.detection_records": {
        "camera_id": "cam0",
        "limit": 1,
        "offset": 0,
        "cursor": None,
        "start_time": NOW,
        "end_time": NOW,
    },
    "records.violation": {"violation_id": 1},
    "statistics.daily": {"days": 7, "today": NOW.date(), "camera_id": "cam0"},
    "statistics.events": {
        "start_time": NOW,
        "end_time": NOW,
        "event_type": "A",
        "camera_id": "cam0",
        "limit": 1,
    },
    "statistics.history": {"since": NOW, "limit": 1, "camera_id": "cam0"},
    "cameras.cameras": {"active_only": True},
    "cameras.camera_stats": {"camera_id": "cam0", "now": NOW},
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


@pytest.mark.parametrize("endpoint", CALLS)
def test_an_endpoint_is_one_statement_however_often_it_is_asked(
    world: World, endpoint: str
) -> None:
    for _ in range(3):
        try:
            ROUTES[endpoint].domain(**CALLS[endpoint])
        except NotFoundError:
            continue
    with world.pool.connection() as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT generic_plans + custom_plans FROM pg_prepared_statements")
        assert cursor.fetchall() == [(3,)]


@pytest.fixture(scope="module")
def filled(migrated_database: Callable[[str], str]) -> str:
    """Three months of records, events and violations, of ten cameras and five types."""
    url = migrated_database("filled")
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        for table in partitions.TABLES:
            for month in (8, 9, 10):
                partitions.create(connection, table, date(2025, month, 1))
        with connection.cursor() as cursor:
            cursor.execute(FILL)
    return url


@pytest.fixture
def pool(filled: str) -> Iterator[Pool]:
    bound_waits()
    decode_json_exactly()
    pool = Pool(filled, size=1, deadline=5, name="plans", settings=READ_ONLY)
    yield pool
    pool.dispose()
    extensions.set_wait_callback(None)


def generic_plan(pool: Pool, query: Query) -> list[dict[str, Any]]:
    """The nodes of the plan that a long-lived connection uses for any parameters."""
    with pool.connection() as connection:
        cursor = connection.cursor()
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        cursor.execute(query.prepare)
        values = [PARAMETERS[parameter] for parameter in query.parameters]
        cursor.execute(f"EXPLAIN (FORMAT JSON) {query.execute}", values)
        row = cursor.fetchone()
    assert row is not None
    return list(_nodes(msgspec.json.decode(row[0])[0]["Plan"]))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def of(filtered: FilteredQuery, *filters: str) -> Query:
    return filtered.queries[frozenset(filters)]


INDEXED = [
    *((query, ["camera_id"]) for query in records.RECORDS.values()),
    *((query, ["camera_id", "timestamp"]) for query in records.RECENT_RECORDS.values()),
    (records.VIOLATION, ["id"]),
    (of(EVENTS), ["timestamp"]),
    (of(EVENTS, "camera_id"), ["camera_id", "timestamp"]),
    (of(EVENTS, "event_type"), ["type", "timestamp"]),
    (of(EVENTS, "event_type", "camera_id"), ["timestamp"]),
    (of(HISTORY), ["timestamp"]),
    (of(HISTORY, "camera_id"), ["timestamp"]),
    (of(DAILY), ["day"]),
    (of(DAILY, "camera_id"), ["day", "camera_id"]),
]


@pytest.mark.parametrize(("query", "columns"), INDEXED, ids=[query.name for query, _ in INDEXED])
def test_rows_are_found_through_an_index(pool: Pool, query: Query, columns: list[str]) -> None:
    nodes = generic_plan(pool, query)
    conditions = [node["Index Cond"] for node in nodes if "Index Cond" in node]
    assert conditions
    for condition in conditions:
        assert all(column in condition for column in columns)
    scanned = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
    assert scanned <= {"events_default", "detection_records_default", "record_totals"}


RECORDS_OF_WINDOW = [query for given, query in records.RECORDS.items() if given]


@pytest.mark.parametrize("query", RECORDS_OF_WINDOW, ids=lambda query: query.name)
def test_records_and_counts_of_a_window_are_found_by_their_time(pool: Pool, query: Query) -> None:
    nodes = [node for node in generic_plan(pool, query) if "Index Cond" in node]
    for node in nodes:
        of_totals = node.get("Relation Name") == "record_totals"
        assert of_totals or any(column in node["Index Cond"] for column in ("timestamp", "hour"))


WINDOWED = [
    *(query for given, query in records.RECORDS.items() if "start_time" in given),
    *records.RECENT_RECORDS.values(),
    *EVENTS.queries.values(),
    *HISTORY.queries.values(),
]


@pytest.mark.parametrize("query", WINDOWED, ids=lambda query: query.name)
def test_months_outside_the_window_are_not_read(pool: Pool, query: Query) -> None:
    nodes = generic_plan(pool, query)
    appends = [node for node in nodes if "Append" in node["Node Type"]]
    assert appends
    for append in appends:
        assert append["Subplans Removed"] >= 2


def test_a_page_deep_down_reads_no_more_rows_than_it_has(pool: Pool) -> None:
    deep = {"last_moment": NOW - timedelta(days=60), "start_time": None, "end_time": None}
    values = {**PARAMETERS, **deep, "offset": 0}
    query = records.RECORDS[frozenset({"cursor"})]
    with pool.connection() as connection:
        cursor = connection.cursor()
        cursor.execute(query.prepare)
        given = [values[parameter] for parameter in query.parameters]
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query.execute}", given)
        row = cursor.fetchone()
    assert row is not None
    (limited,) = (
        node
        for node in _nodes(msgspec.json.decode(row[0])[0]["Plan"])
        if node["Node Type"] == "Limit"
    )
    scans = [node for node in _nodes(limited) if "Scan" in node["Node Type"]]
    read = sum(
        scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)
        for scan in scans
        if scan["Actual Loops"]
    )
    assert limited["Actual Rows"] == values["limit"]
    assert read <= values["limit"] + len(scans)
    assert "detection_records_y2025m10" not in {scan["Relation Name"] for scan in scans}


@pytest.mark.parametrize(
    "query", [*EVENTS.queries.values(), *HISTORY.queries.values()], ids=lambda query: query.name
)
def test_events_come_out_of_their_index_in_order(pool: Pool, query: Query) -> None:
    assert "Sort" not in {node["Node Type"] for node in generic_plan(pool, query)}
