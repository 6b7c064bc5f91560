"""What both implementations promise about cameras and their live statistics."""

from typing import Any

import pytest

from detection_api.clock import utc_now
from tests.arms.conftest import Ask
from tests.world import NOW, World

ONE_CAMERA = "cameras: [{id: cam0}]"
NO_STATS = {
    "total_frames": 0,
    "processed_frames": 0,
    "detected_persons": 0,
    "detected_hairnets": 0,
    "detected_handwash": 0,
    "avg_fps": 0.0,
    "avg_detection_time": 0.0,
    "last_detection_time": None,
}


def message(ago: float = 0.0, camera_id: str = "cam0", **data: Any) -> dict[str, Any]:
    """What a detector published `ago` seconds before now."""
    timestamp = NOW.timestamp() - ago
    return {"type": "stats", "camera_id": camera_id, "timestamp": timestamp, "data": data}


def test_a_camera_has_every_field_of_the_contract_in_its_order(world: World, ask: Ask) -> None:
    world.write_cameras("""
cameras:
  - env: {RTSP_PASSWORD: secret}
    regions_file: 区域/cam0.json
    region_id: 3
    fps: 25
    resolution: 1920x1080
    auto_start: true
    active: false
    status: maintenance
    location: Küche
    source: rtsp://cam0/stream
    name: Front
    id: cam0
    unknown: [1, 2]
""")
    (camera,) = ask("cameras.cameras", active_only=False)["cameras"]
    assert list(camera.items()) == [
        ("id", "cam0"),
        ("name", "Front"),
        ("source", "rtsp://cam0/stream"),
        ("location", "Küche"),
        ("status", "maintenance"),
        ("active", False),
        ("auto_start", True),
        ("resolution", "1920x1080"),
        ("fps", 25.0),
        ("region_id", "3"),
        ("regions_file", "区域/cam0.json"),
    ]


def test_all_but_the_id_may_be_missing(world: World, ask: Ask) -> None:
    world.write_cameras(ONE_CAMERA)
    assert ask("cameras.cameras", active_only=False)["cameras"] == [
        {
            "id": "cam0",
            "name": "cam0",
            "source": "",
            "location": None,
            "status": "active",
            "active": True,
            "auto_start": False,
            "resolution": None,
            "fps": None,
            "region_id": None,
            "regions_file": None,
        }
    ]


@pytest.mark.parametrize(
    ("field", "written", "expected"),
    [
        ("name", "''", "x"),
        ("name", "7", "7"),
        ("name", "[a]", "x"),
        ("source", "0", "0"),
        ("source", "null", ""),
        ("location", "''", ""),
        ("location", "1.50", "1.5"),
        ("location", "true", None),
        ("location", "2025-10-31", None),
        ("status", "''", "active"),
        ("active", "'no'", True),
        ("active", "no", False),
        ("auto_start", "1", False),
        ("fps", "24.8", 24.8),
        ("fps", "'25'", None),
        ("fps", "true", None),
        ("fps", ".inf", None),
        ("fps", ".nan", None),
        ("fps", "1" + "0" * 400, None),
    ],
)
def test_odd_values_are_read_alike(
    world: World, ask: Ask, field: str, written: str, expected: object
) -> None:
    world.write_cameras(f"cameras: [{{id: x, {field}: {written}}}]")
    (camera,) = ask("cameras.cameras", active_only=False)["cameras"]
    assert camera[field] == expected
    assert type(camera[field]) is type(expected)


def test_cameras_are_in_their_configured_order_and_active_ones_can_be_asked_for(
    world: World, ask: Ask
) -> None:
    world.write_cameras("cameras: [{id: b}, {id: c, active: false}, {id: a, active: true}]")
    everything = ask("cameras.cameras", active_only=False)["cameras"]
    assert [(c["id"], c["status"]) for c in everything] == [
        ("b", "active"),
        ("c", "inactive"),
        ("a", "active"),
    ]
    assert [c["id"] for c in ask("cameras.cameras", active_only=True)["cameras"]] == ["b", "a"]


def test_entries_without_an_id_are_skipped_and_of_equal_ids_the_first_wins(
    world: World, ask: Ask
) -> None:
    world.write_cameras("""
cameras:
  - name: no id
  - just text
  - {id: true}
  - {id: 1.5}
  - {id: null}
  - {id: 7, name: number}
  - {id: "7", name: text}
""")
    found = ask("cameras.cameras", active_only=False)["cameras"]
    assert [(c["id"], c["name"]) for c in found] == [("7", "number")]


def test_there_may_be_no_cameras(world: World, ask: Ask) -> None:
    world.write_cameras("cameras: []")
    assert ask("cameras.cameras", active_only=False) == {"cameras": []}


def test_statistics_have_every_field_of_the_contract_in_its_order(world: World, ask: Ask) -> None:
    world.write_cameras(ONE_CAMERA)
    world.publish(
        message(
            persons=2,
            hairnets=1,
            handwash=3,
            fps=24.8,
            total_frames=2**63 - 1,
            processed_frames=9000,
            avg_detection_time=0.021,
        )
    )
    answer = ask("cameras.camera_stats", camera_id="cam0", now=NOW)
    assert list(answer) == ["camera_id", "running", "pid", "log_file", "stats"]
    stats = answer.pop("stats")
    assert answer == {"camera_id": "cam0", "running": True, "pid": 0, "log_file": ""}
    assert list(stats.items()) == [
        ("total_frames", 2**63 - 1),
        ("processed_frames", 9000),
        ("detected_persons", 2),
        ("detected_hairnets", 1),
        ("detected_handwash", 3),
        ("avg_fps", 24.8),
        ("avg_detection_time", 0.021),
        ("last_detection_time", "2025-10-31T09:15:00Z"),
    ]


@pytest.mark.parametrize("camera_id", ["cam0", "unknown"])
def test_without_a_message_everything_is_zero(world: World, ask: Ask, camera_id: str) -> None:
    world.write_cameras(ONE_CAMERA)
    assert ask("cameras.camera_stats", camera_id=camera_id, now=NOW) == {
        "camera_id": camera_id,
        "running": False,
        "pid": 0,
        "log_file": "",
        "stats": NO_STATS,
    }


def test_a_camera_that_is_not_configured_has_no_statistics(world: World, ask: Ask) -> None:
    world.write_cameras(ONE_CAMERA)
    world.publish(message(camera_id="cam1", persons=2))
    answer = ask("cameras.camera_stats", camera_id="cam1", now=NOW)
    assert (answer["running"], answer["stats"]) == (False, NO_STATS)


@pytest.mark.parametrize(
    ("ago", "running"), [(-60, True), (0, True), (30, True), (30.000001, False), (86400, False)]
)
def test_a_detector_runs_while_its_last_message_is_at_most_thirty_seconds_old(
    world: World, ask: Ask, ago: float, running: bool
) -> None:
    world.write_cameras(ONE_CAMERA)
    world.publish(message(ago, persons=1))
    answer = ask("cameras.camera_stats", camera_id="cam0", now=NOW)
    assert (answer["running"], answer["stats"]["detected_persons"]) == (running, 1)


def test_the_latest_time_wins_and_of_equal_times_the_later_arrival(world: World, ask: Ask) -> None:
    world.write_cameras(ONE_CAMERA)
    for ago, persons in ((5, 1), (3, 2), (4, 3), (3, 4)):
        world.publish(message(ago, persons=persons))
    assert ask("cameras.camera_stats", camera_id="cam0", now=NOW)["stats"]["detected_persons"] == 4


def test_a_message_from_the_future_does_not_stand_in_the_way_of_later_ones(
    world: World, ask: Ask
) -> None:
    """Its arrival is by the wall clock, as that of every message."""
    world.write_cameras(ONE_CAMERA)
    future = (utc_now() - NOW).total_seconds() + 3600
    for ago, persons in ((5, 1), (-future, 2), (3, 3)):
        world.publish(message(ago, persons=persons))
    assert ask("cameras.camera_stats", camera_id="cam0", now=NOW)["stats"]["detected_persons"] == 3


@pytest.mark.parametrize("written", [-1, 1.0, "1", True, None, 2**63, [], {}])
def test_a_count_that_is_no_count_is_zero(world: World, ask: Ask, written: object) -> None:
    world.write_cameras(ONE_CAMERA)
    world.publish(message(persons=written))
    assert ask("cameras.camera_stats", camera_id="cam0", now=NOW)["stats"]["detected_persons"] == 0


@pytest.mark.parametrize(
    ("written", "expected"),
    [(25, 25.0), (-1.5, -1.5), (True, 0.0), ("25", 0.0), (None, 0.0), (10**400, 0.0)],
)
def test_a_rate_that_is_no_number_is_zero(
    world: World, ask: Ask, written: object, expected: float
) -> None:
    world.write_cameras(ONE_CAMERA)
    world.publish(message(fps=written))
    fps = ask("cameras.camera_stats", camera_id="cam0", now=NOW)["stats"]["avg_fps"]
    assert (fps, type(fps)) == (expected, float)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"type": "alert", "camera_id": "cam0", "timestamp": 1761902100, "data": {}}',
        b'{"type": "stats", "camera_id": "", "timestamp": 1761902100, "data": {}}',
        b'{"type": "stats", "camera_id": 7, "timestamp": 1761902100, "data": {}}',
        b'{"type": "stats", "camera_id": "cam0", "timestamp": "1761902100", "data": {}}',
        b'{"type": "stats", "camera_id": "cam0", "timestamp": true, "data": {}}',
        b'{"type": "stats", "camera_id": "cam0", "timestamp": 1e12, "data": {}}',
        b'{"type": "stats", "camera_id": "cam0", "timestamp": 1761902100, "data": null}',
        b'{"type": "stats", "camera_id": "cam0", "timestamp": 1761902100}',
    ],
    ids=lambda payload: repr(payload[:70]),
)
def test_a_malformed_message_changes_nothing(world: World, ask: Ask, payload: bytes) -> None:
    world.write_cameras(ONE_CAMERA)
    world.publish(message(persons=1))
    world.publish(payload)
    assert ask("cameras.camera_stats", camera_id="cam0", now=NOW)["stats"]["detected_persons"] == 1
