"""Parameters of cameras are resolved; answers keep their types."""

import pytest

from detection_api import clock
from detection_api.schemas.cameras import CamerasQuerySchema, CameraStatsPathSchema
from tests.world import NOW


def test_all_cameras_are_listed_by_default() -> None:
    assert CamerasQuerySchema().load({}) == {"active_only": False}


def test_statistics_are_judged_at_the_time_of_the_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock, "utc_now", lambda: NOW)
    assert CameraStatsPathSchema().load({"camera_id": "cam0"}) == {"camera_id": "cam0", "now": NOW}
