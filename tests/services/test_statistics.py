"""Events are read through indexes, in order; counts do not depend on the plan."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from detection_api.db import Pool, Query
from detection_api.services import statistics
from detection_api.services.filtered_query import FilteredQuery
from detection_api.services.statistics import DAILY, EVENTS, HISTORY
from tests.services.plans import assert_indexed, assert_pruned, generic_plan
from tests.world import NOW, World, event


def _of(filtered: FilteredQuery, *filters: str) -> Query:
    return filtered.queries[frozenset(filters)]


LISTS = [*EVENTS.queries.values(), *HISTORY.queries.values()]
INDEXED = [
    (_of(EVENTS), ["timestamp"]),
    (_of(EVENTS, "camera_id"), ["camera_id", "timestamp"]),
    (_of(EVENTS, "event_type"), ["type", "timestamp"]),
    (_of(EVENTS, "event_type", "camera_id"), ["timestamp"]),
    (_of(HISTORY), ["timestamp"]),
    (_of(HISTORY, "camera_id"), ["timestamp"]),
    (_of(DAILY), ["day"]),
    (_of(DAILY, "camera_id"), ["day", "camera_id"]),
]


@pytest.mark.parametrize(("query", "columns"), INDEXED, ids=[query.name for query, _ in INDEXED])
def test_rows_are_found_through_an_index(pool: Pool, query: Query, columns: list[str]) -> None:
    assert_indexed(pool, query, columns)


@pytest.mark.parametrize("query", LISTS, ids=lambda query: query.name)
def test_months_outside_the_window_are_not_read(pool: Pool, query: Query) -> None:
    assert_pruned(pool, query)


@pytest.mark.parametrize("query", LISTS, ids=lambda query: query.name)
def test_events_come_out_of_their_index_in_order(pool: Pool, query: Query) -> None:
    assert "Sort" not in {node["Node Type"] for node in generic_plan(pool, query)}


def test_types_are_in_the_order_of_their_code_points_when_they_are_counted_unsorted(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    url = migrated_database("hashing")
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("ALTER DATABASE hashing SET enable_sort = off")
    types = [chr(code) for code in range(ord("A"), ord("z"))]
    world = World(url, tmp_path)
    world.log_events(*(event(NOW.timestamp(), type=name) for name in types))
    (day,) = statistics.daily(days=1, today=NOW.date(), camera_id=None)
    world.close()
    assert list(day["counts_by_type"]) == types
