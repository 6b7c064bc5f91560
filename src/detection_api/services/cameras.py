"""Configured cameras and their detectors' latest statistics."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Text, bindparam, select

from detection_api.db import Query
from detection_api.extensions import reader
from detection_api.models.cameras import Camera, CameraStatistics

RUNNING_WITHIN = timedelta(seconds=30)
"""A detector counts as running if its latest statistics are at most this old."""

_camera = Camera.__table__.c
_latest = CameraStatistics.__table__.c

_configured = select(
    _camera.id,
    _camera.name,
    _camera.source,
    _camera.location,
    _camera.status,
    _camera.active,
    _camera.auto_start,
    _camera.resolution,
    _camera.fps,
    _camera.region_id,
    _camera.regions_file,
).order_by(_camera.position)

CAMERAS = Query("cameras", _configured)
ACTIVE_CAMERAS = Query("cameras_active", _configured.where(_camera.active))

CAMERA_STATS = Query(
    "camera_stats",
    select(
        _latest.total_frames,
        _latest.processed_frames,
        _latest.detected_persons,
        _latest.detected_hairnets,
        _latest.detected_handwash,
        _latest.avg_fps,
        _latest.avg_detection_time,
        _latest.timestamp.label("last_detection_time"),
    )
    .join_from(Camera.__table__, CameraStatistics.__table__, _camera.id == _latest.camera_id)
    .where(_camera.id == bindparam("camera_id", type_=Text)),
)

_NO_STATISTICS: dict[str, Any] = {
    "total_frames": 0,
    "processed_frames": 0,
    "detected_persons": 0,
    "detected_hairnets": 0,
    "detected_handwash": 0,
    "avg_fps": 0.0,
    "avg_detection_time": 0.0,
    "last_detection_time": None,
}


def cameras(*, active_only: bool) -> dict[str, list[Any]]:
    """Return the cameras in their configured order; raises what `Reader.rows` raises."""
    return {"cameras": reader.rows(ACTIVE_CAMERAS if active_only else CAMERAS)}


def camera_stats(*, camera_id: str, now: datetime) -> dict[str, Any]:
    """Return a camera's latest statistics; zeros if it is not configured or has published none.

    Raises what `Reader.rows` raises.
    """
    rows = reader.rows(CAMERA_STATS, camera_id=camera_id)
    stats = rows[0] if rows else dict(_NO_STATISTICS)
    latest = stats["last_detection_time"]
    return {
        "camera_id": camera_id,
        "running": latest is not None and now - latest <= RUNNING_WITHIN,
        "pid": 0,
        "log_file": "",
        "stats": stats,
    }
