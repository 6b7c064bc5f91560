"""A camera counts as running for a while after its latest statistics."""

from datetime import timedelta

import pytest

from detection_api.services.cameras import RUNNING_WITHIN, camera_stats, cameras
from tests.world import NOW, World

TICK = timedelta(microseconds=1)
MESSAGE = {"type": "stats", "camera_id": "cam0", "timestamp": NOW.timestamp(), "data": {}}


@pytest.mark.parametrize(
    ("age", "running"), [(RUNNING_WITHIN, True), (RUNNING_WITHIN + TICK, False)]
)
def test_a_detector_runs_until_its_statistics_are_too_old(
    world: World, age: timedelta, running: bool
) -> None:
    world.write_cameras("cameras: [{id: cam0}]")
    world.publish(MESSAGE)
    assert camera_stats(camera_id="cam0", now=NOW + age)["running"] is running


def test_statistics_of_a_camera_that_is_not_configured_are_not_shown(world: World) -> None:
    world.write_cameras("cameras: []")
    world.publish(MESSAGE)
    stats = camera_stats(camera_id="cam0", now=NOW)
    assert (stats["running"], stats["stats"]["last_detection_time"]) == (False, None)


def test_cameras_that_are_not_active_are_left_out_on_request(world: World) -> None:
    world.write_cameras("cameras: [{id: b}, {id: a, active: false}, {id: c}]")
    assert [camera["id"] for camera in cameras(active_only=False)["cameras"]] == ["b", "a", "c"]
    assert [camera["id"] for camera in cameras(active_only=True)["cameras"]] == ["b", "c"]
