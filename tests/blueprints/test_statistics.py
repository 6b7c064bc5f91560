"""Statistics over HTTP; every test runs against both arms."""

from datetime import UTC, datetime, timedelta

import pytest

from detection_api.schemas.statistics import DailyCountSchema, EventPageSchema, HistoryItemSchema
from tests.blueprints.conftest import Get

DAILY = "/api/v1/statistics/daily"
EVENTS = "/api/v1/statistics/events"
HISTORY = "/api/v1/statistics/history"


def test_daily_has_one_item_per_day_and_today_last(get: Get) -> None:
    days = get(DAILY).get_json()
    assert DailyCountSchema(many=True).validate(days) == {}
    today = datetime.now(UTC).date()
    assert [day["date"] for day in days] == [
        (today - timedelta(days=n)).isoformat() for n in range(6, -1, -1)
    ]
    assert sum(day["total_events"] for day in days) == 600
    assert days[0] == {"date": days[0]["date"], "total_events": 0, "counts_by_type": {}}
    assert all(day["total_events"] == sum(day["counts_by_type"].values()) for day in days)


def test_daily_can_be_of_one_camera(get: Get) -> None:
    counted = {
        camera: sum(day["total_events"] for day in get(DAILY, camera_id=camera).get_json())
        for camera in ("cam0", "vid1", "nobody")
    }
    assert counted == {"cam0": 400, "vid1": 200, "nobody": 0}


@pytest.mark.parametrize("days", [1, 90])
def test_daily_has_as_many_days_as_asked_for(get: Get, days: int) -> None:
    assert len(get(DAILY, days=days).get_json()) == days


def test_events_are_the_newest_of_the_last_day(get: Get) -> None:
    page = get(EVENTS).get_json()
    assert EventPageSchema().validate(page) == {}
    assert page["total"] == len(page["events"]) == 100
    moments = [event["timestamp"] for event in page["events"]]
    assert moments == sorted(moments, reverse=True)
    newest = page["events"][0]
    assert newest["metadata"] == {"confidence": 0.9, "region": "sink"}
    assert newest["id"].endswith("_1")


def test_events_can_be_filtered(get: Get) -> None:
    page = get(EVENTS, event_type="HANDWASH_COMPLETED", camera_id="vid1", limit=1000).get_json()
    assert page["total"] == 100
    assert {(e["type"], e["camera_id"]) for e in page["events"]} == {("HANDWASH_COMPLETED", "vid1")}


def test_a_window_of_events_is_inclusive_at_both_ends(get: Get) -> None:
    some = get(EVENTS, limit=10).get_json()["events"]
    window = get(EVENTS, start_time=some[7]["timestamp"], end_time=some[2]["timestamp"]).get_json()
    assert window["events"] == some[2:8]


def test_a_window_before_all_events_is_empty(get: Get) -> None:
    assert get(EVENTS, end_time="2020-01-01").get_json() == {"events": [], "total": 0}


def test_history_goes_back_as_many_minutes_as_asked_for(get: Get) -> None:
    items = get(HISTORY, minutes=30).get_json()
    assert HistoryItemSchema(many=True).validate(items) == {}
    since = datetime.now(UTC).timestamp() - 30 * 60
    older = get(HISTORY, minutes=60).get_json()[len(items) :]
    assert items[-1]["ts"] >= since - 5
    assert older[0]["ts"] <= since + 5
    assert [item["ts"] for item in items] == sorted((i["ts"] for i in items), reverse=True)
    assert items[0]["detail"] == {"confidence": 0.9, "region": "sink"}


def test_history_can_be_of_one_camera_and_is_limited(get: Get) -> None:
    items = get(HISTORY, minutes=1440, camera_id="vid1", limit=5).get_json()
    assert [item["camera_id"] for item in items] == ["vid1"] * 5
