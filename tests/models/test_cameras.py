"""Cameras and their statistics are stored independently of each other."""

from detection_api.models.cameras import Camera, CameraStatistics


def test_a_camera_is_stored_once_in_the_order_of_the_file() -> None:
    assert [column.name for column in Camera.__table__.primary_key] == ["id"]
    assert not Camera.__table__.c.position.nullable


def test_statistics_are_kept_of_cameras_that_are_not_configured() -> None:
    assert [column.name for column in CameraStatistics.__table__.primary_key] == ["camera_id"]
    assert not CameraStatistics.__table__.foreign_keys
