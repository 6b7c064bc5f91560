"""The cameras of the camera file, and the latest statistics of their detectors."""

from datetime import datetime, timedelta
from typing import Any

import yaml

from detection_api.legacy.json_values import finite, finite_or_zero, utc_text
from detection_api.legacy.live import Message
from detection_api.legacy.sources import sources

RUNNING_WITHIN = timedelta(seconds=30)
"""A detector counts as running if its latest statistics are at most this old."""

Camera = dict[str, Any]


def cameras(*, active_only: bool) -> dict[str, list[Camera]]:
    """Return the cameras of the camera file, in its order.

    Raises OSError if the file cannot be read, yaml.YAMLError if it is not a camera file.
    """
    configured = _read_cameras()
    return {"cameras": [camera for camera in configured if camera["active"] or not active_only]}


def camera_stats(*, camera_id: str, now: datetime) -> dict[str, Any]:
    """Return a camera's latest statistics; zeros if it is not configured or has published none.

    Raises what `cameras` raises.
    """
    configured = any(camera["id"] == camera_id for camera in _read_cameras())
    message = sources.live.latest(camera_id) if configured else None
    return {
        "camera_id": camera_id,
        "running": message is not None and now - message.timestamp <= RUNNING_WITHIN,
        "pid": 0,
        "log_file": "",
        "stats": _stats(message),
    }


def _stats(message: Message | None) -> dict[str, Any]:
    data = message.data if message else {}
    return {
        "total_frames": _count(data.get("total_frames")),
        "processed_frames": _count(data.get("processed_frames")),
        "detected_persons": _count(data.get("persons")),
        "detected_hairnets": _count(data.get("hairnets")),
        "detected_handwash": _count(data.get("handwash")),
        "avg_fps": finite_or_zero(data.get("fps")),
        "avg_detection_time": finite_or_zero(data.get("avg_detection_time")),
        "last_detection_time": utc_text(message.timestamp) if message else None,
    }


def _count(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    return 0


def _read_cameras() -> list[Camera]:
    with sources.cameras_file.open(encoding="utf-8") as stream:
        content = yaml.safe_load(stream)
    entries = content.get("cameras") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise yaml.YAMLError(f"{sources.cameras_file} has no list of cameras")
    by_id: dict[str, Camera] = {}
    for entry in entries:
        if isinstance(entry, dict) and type(entry.get("id")) in (str, int):
            by_id.setdefault(str(entry["id"]), _camera(str(entry["id"]), entry))
    return list(by_id.values())


def _camera(camera_id: str, entry: dict[Any, Any]) -> Camera:
    active = _flag(entry.get("active"), default=True)
    return {
        "id": camera_id,
        "name": _text(entry.get("name")) or camera_id,
        "source": _text(entry.get("source")) or "",
        "location": _text(entry.get("location")),
        "status": _text(entry.get("status")) or ("active" if active else "inactive"),
        "active": active,
        "auto_start": _flag(entry.get("auto_start"), default=False),
        "resolution": _text(entry.get("resolution")),
        "fps": finite(entry.get("fps")),
        "region_id": _text(entry.get("region_id")),
        "regions_file": _text(entry.get("regions_file")),
    }


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _flag(value: object, *, default: bool) -> bool:
    return value if isinstance(value, bool) else default
