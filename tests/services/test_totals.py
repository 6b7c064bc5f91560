"""Totals of any window agree with a count of its rows."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from sqlalchemy import select

from detection_api.db import Query
from detection_api.extensions import reader
from detection_api.services.totals import total
from tests.world import World

TEN = datetime(2026, 11, 23, 10, tzinfo=UTC)
TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
TIMES = [TEN - TICK, TEN, TEN + TICK, TEN + HOUR - TICK, TEN + HOUR, TEN + 3 * HOUR]
EDGES = [None, *TIMES]
QUERIES = {
    (has_start, has_end): Query(
        f"test_total_{has_start}_{has_end}".lower(),
        select(total(has_start=has_start, has_end=has_end).label("total")),
    )
    for has_start, has_end in product((False, True), repeat=2)
}


def _expected(start: datetime | None, end: datetime | None) -> int:
    return sum((not start or start <= at) and (not end or at <= end) for at in TIMES)


@pytest.fixture
def filled_world(world: World) -> World:
    """One record of cam0 at each of TIMES, and one of another camera."""
    world.insert("detection_records", *({"camera_id": "cam0", "timestamp": at} for at in TIMES))
    world.insert("detection_records", {"camera_id": "cam1", "timestamp": TEN})
    return world


def test_a_total_is_exact_at_every_edge_of_an_hour(filled_world: World) -> None:
    for start, end in product(EDGES, EDGES):
        times = {"start_time": start, "end_time": end}
        given = {name: at for name, at in times.items() if at is not None}
        query = QUERIES[start is not None, end is not None]
        (row,) = reader.rows(query, camera_id="cam0", **given)
        assert row.total == _expected(start, end), (start, end)


def test_a_camera_without_records_has_a_total_of_0(filled_world: World) -> None:
    (row,) = reader.rows(QUERIES[False, False], camera_id="unknown")
    assert row.total == 0
