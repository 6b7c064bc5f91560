"""Pages of records are read through indexes, and no further than needed."""

from datetime import timedelta

import msgspec
import pytest

from detection_api.db import Pool, Query
from detection_api.services import records
from tests.services.plans import PARAMETERS, assert_indexed, assert_pruned, generic_plan, nodes
from tests.world import NOW, World

OF_WINDOW = [query for given, query in records.RECORDS.items() if given]
PRUNED = [
    *(query for given, query in records.RECORDS.items() if "start_time" in given),
    *records.RECENT_RECORDS.values(),
]


@pytest.mark.parametrize("query", records.RECORDS.values(), ids=lambda query: query.name)
def test_records_are_found_by_camera(pool: Pool, query: Query) -> None:
    assert_indexed(pool, query, ["camera_id"])


@pytest.mark.parametrize("query", records.RECENT_RECORDS.values(), ids=lambda query: query.name)
def test_recent_records_are_found_by_camera_and_time(pool: Pool, query: Query) -> None:
    assert_indexed(pool, query, ["camera_id", "timestamp"])


def test_a_violation_is_found_by_its_id(pool: Pool) -> None:
    assert_indexed(pool, records.VIOLATION, ["id"])


@pytest.mark.parametrize("query", OF_WINDOW, ids=lambda query: query.name)
def test_records_and_counts_of_a_window_are_found_by_their_time(pool: Pool, query: Query) -> None:
    for node in (node for node in generic_plan(pool, query) if "Index Cond" in node):
        of_totals = node.get("Relation Name") == "record_totals"
        assert of_totals or any(column in node["Index Cond"] for column in ("timestamp", "hour"))


@pytest.mark.parametrize("query", PRUNED, ids=lambda query: query.name)
def test_months_outside_the_window_are_not_read(pool: Pool, query: Query) -> None:
    assert_pruned(pool, query)


def test_a_deep_page_reads_no_more_rows_than_it_has(pool: Pool) -> None:
    deep = {"last_moment": NOW - timedelta(days=60), "start_time": None, "end_time": None}
    values = {**PARAMETERS, **deep, "offset": 0}
    query = records.RECORDS[frozenset({"cursor"})]
    with pool.connection() as connection:
        cursor = connection.cursor()
        cursor.execute(query.prepare)
        arguments = [values[parameter] for parameter in query.parameters]
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query.execute}", arguments)
        row = cursor.fetchone()
    assert row is not None
    plan = msgspec.json.decode(row[0])[0]["Plan"]
    (limited,) = (node for node in nodes(plan) if node["Node Type"] == "Limit")
    scans = [node for node in nodes(limited) if "Scan" in node["Node Type"]]
    read = sum(
        scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)
        for scan in scans
        if scan["Actual Loops"]
    )
    assert limited["Actual Rows"] == values["limit"]
    assert read <= values["limit"] + len(scans)
    assert "detection_records_y2025m10" not in {scan["Relation Name"] for scan in scans}


def test_a_page_that_reaches_beyond_the_last_month_is_complete(world: World) -> None:
    for days in (1, 40, 80):
        record = {"camera_id": "cam0", "timestamp": NOW - timedelta(days=days)}
        world.insert("detection_records", record)
    page = records.detection_records(
        camera_id="cam0", limit=3, offset=0, cursor=None, start_time=None, end_time=None
    )
    assert [record["id"] for record in page["records"]] == [1, 2, 3]
    assert page["total"] == 3
