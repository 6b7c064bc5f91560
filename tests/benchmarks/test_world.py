"""A world's history: as long as wanted, and never empty where answers look."""

from datetime import UTC, datetime, timedelta

import pytest
from benchmarks.stage import Server
from benchmarks.world import World, moments

from tests.benchmarks.conftest import ROWS
from tests.ingest.support import query

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize("rows", [10_000, 100_000])
def test_moments_are_a_year_in_order_and_the_last_hours_are_full(rows: int) -> None:
    found = list(moments(rows, NOW))
    assert len(found) == pytest.approx(rows, abs=3)
    assert found == sorted(found)
    assert found[0] == (NOW - timedelta(days=365)).timestamp()
    assert found[-1] < NOW.timestamp()
    assert sum(moment > (NOW - timedelta(hours=1)).timestamp() for moment in found) >= 600


def test_a_world_has_its_rows_in_months_and_counts_that_agree(small_world: World) -> None:
    url = small_world.environ["DATABASE_URL"]
    for table in ("events", "detection_records"):
        assert query(url, f"SELECT count(*) FROM {table}") == [(ROWS,)]
        assert query(url, f"SELECT count(*) FROM {table}_default") == [(0,)]
    assert query(url, "SELECT sum(count) FROM hourly_event_counts") == [(ROWS,)]


def test_every_answer_that_is_measured_is_full(servers: dict[str, Server]) -> None:
    ours = servers["canary"]
    for endpoint, items in (("detection_records", "records"), ("events", "events")):
        name = next(name for name in ours.paths if name.endswith(f".{endpoint}"))
        assert all(len(body[items]) == 100 for body in ours.bodies(name))
    assert len(ours.bodies("statistics.history")[0]) == 100
    assert all(day["total_events"] for day in ours.bodies("statistics.daily")[0])


@pytest.mark.parametrize("part", ["undecorated", "bare-flask"])
def test_what_has_no_canary_answers_the_same(servers: dict[str, Server], part: str) -> None:
    for endpoint in servers["canary"].paths:
        assert servers[part].bodies(endpoint) == servers["canary"].bodies(endpoint)
