"""Cameras over HTTP; every test runs against both arms."""

from detection_api.schemas.cameras import CameraListSchema, CameraStatsSchema
from tests.blueprints.conftest import Get

CAMERAS = "/api/v1/cameras"
STATS = "/api/v1/cameras/{}/stats"


def test_cameras_come_in_their_configured_order(get: Get) -> None:
    response = get(CAMERAS)
    assert CameraListSchema().validate(response.get_json()) == {}
    assert [camera["id"] for camera in response.get_json()["cameras"]] == ["cam0", "vid1"]


def test_a_cameras_secrets_are_never_returned(get: Get) -> None:
    assert "hunter2" not in get(CAMERAS).get_data(as_text=True)


def test_cameras_can_be_the_active_ones_only(get: Get) -> None:
    assert [c["id"] for c in get(CAMERAS, active_only="true").get_json()["cameras"]] == ["cam0"]


def test_an_unknown_camera_has_statistics_of_zeros(get: Get) -> None:
    response = get(STATS.format("nobody"))
    assert CameraStatsSchema().validate(response.get_json()) == {}
    assert response.get_json()["running"] is False
    assert {v for k, v in response.get_json()["stats"].items() if k != "last_detection_time"} == {0}
    assert response.get_json()["stats"]["last_detection_time"] is None


def test_a_configured_camera_has_statistics(get: Get) -> None:
    assert CameraStatsSchema().validate(get(STATS.format("cam0")).get_json()) == {}
