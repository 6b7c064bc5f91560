"""Windows of statistics end now, unless the client says otherwise."""

from datetime import timedelta

import pytest

from detection_api import clock
from detection_api.schemas.statistics import (
    DailyQuerySchema,
    EventsQuerySchema,
    HistoryQuerySchema,
)
from tests.world import NOW

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "utc_now", lambda: NOW)


def test_daily_statistics_end_today() -> None:
    assert DailyQuerySchema().load({}) == {"days": 7, "camera_id": None, "today": NOW.date()}


def test_events_are_of_the_last_day_by_default() -> None:
    query = EventsQuerySchema().load({})
    assert (query["start_time"], query["end_time"]) == (NOW - DAY, NOW)


def test_events_are_of_the_day_before_an_end_that_is_given() -> None:
    query = EventsQuerySchema().load({"end_time": "2025-10-01T00:00:00Z"})
    assert query["end_time"] - query["start_time"] == DAY


def test_a_day_before_the_first_time_starts_at_its_end() -> None:
    query = EventsQuerySchema().load({"end_time": "0001-01-01T00:00:00Z"})
    assert query["start_time"] == query["end_time"]


def test_a_history_of_minutes_starts_at_a_time() -> None:
    assert HistoryQuerySchema().load({"minutes": "5"}) == {
        "since": NOW - timedelta(minutes=5),
        "limit": 100,
        "camera_id": None,
    }
