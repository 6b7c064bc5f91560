"""Configured cameras and their live statistics."""

from detection_api.extensions import canary
from detection_api.legacy import cameras as legacy
from detection_api.openapi import Blueprint
from detection_api.schemas.cameras import CameraList, CamerasQuery, CameraStats, CameraStatsPath
from detection_api.services import cameras as service

blp = Blueprint("cameras", __name__, url_prefix="/api/v1/cameras")


@blp.get("")
@blp.arguments(CamerasQuery, location="query", as_kwargs=True)
@blp.response(200, CameraList)
@canary(
    domain=service.cameras,
    legacy=legacy.cameras,
    schema=CameraList,
)
def cameras() -> None:
    """Configured cameras, in their configured order."""


@blp.get("/<camera_id>/stats")
@blp.arguments(CameraStatsPath, location="path", as_kwargs=True)
@blp.response(200, CameraStats)
@canary(
    domain=service.camera_stats,
    legacy=legacy.camera_stats,
    schema=CameraStats,
)
def camera_stats() -> None:
    """Live statistics of one camera's detector; zeros for an unknown camera."""
