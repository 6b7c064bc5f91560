"""The domain answers in Python's own values; how they look on the wire is the schemas' matter."""

from datetime import UTC, date

from detection_api.services import cameras, records, statistics
from tests.world import NOW, World, event


def test_moments_are_aware_and_in_utc(world: World) -> None:
    world.insert("detection_records", {"camera_id": "cam0", "timestamp": NOW})
    world.insert(
        "violation_events", {"camera_id": "cam0", "timestamp": NOW, "violation_type": "no_hairnet"}
    )
    world.log_events(event(NOW.timestamp()))
    world.write_cameras("cameras: [{id: cam0}]")
    world.publish({"type": "stats", "camera_id": "cam0", "timestamp": NOW.timestamp(), "data": {}})
    page = records.detection_records(
        camera_id="cam0", limit=1, offset=0, cursor=None, start_time=None, end_time=None
    )
    events = statistics.events(
        start_time=NOW, end_time=NOW, event_type=None, camera_id=None, limit=1
    )
    moments = [
        page["records"][0]["timestamp"],
        records.violation(violation_id=1)["timestamp"],
        events["events"][0]["timestamp"],
        cameras.camera_stats(camera_id="cam0", now=NOW)["stats"]["last_detection_time"],
    ]
    assert moments == [NOW] * 4
    assert {moment.tzinfo for moment in moments} == {UTC}


def test_days_are_dates(world: World) -> None:
    days = statistics.daily(days=2, today=date(2024, 3, 1), camera_id=None)
    assert [day["date"] for day in days] == [date(2024, 2, 29), date(2024, 3, 1)]


def test_one_answer_cannot_be_changed_through_another(world: World) -> None:
    first = cameras.camera_stats(camera_id="unknown", now=NOW)
    first["stats"]["total_frames"] = 7
    assert cameras.camera_stats(camera_id="unknown", now=NOW)["stats"]["total_frames"] == 0
