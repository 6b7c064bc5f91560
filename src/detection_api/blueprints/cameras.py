"""Configured cameras and their live statistics."""

from detection_api.extensions import canary
from detection_api.legacy import cameras as legacy
from detection_api.schemas.cameras import (
    CameraListSchema,
    CamerasQuerySchema,
    CameraStatsPathSchema,
    CameraStatsSchema,
)
from detection_api.services import cameras as service
from detection_api.web.openapi import Blueprint

blp = Blueprint("cameras", __name__, url_prefix="/api/v1/cameras")


@blp.get("")
@blp.arguments(CamerasQuerySchema, location="query", as_kwargs=True)
@blp.response(200)
@canary(
    domain=service.cameras,
    legacy=legacy.cameras,
    schema=CameraListSchema,
)
def cameras() -> None:
    """Configured cameras, in their configured order."""


@blp.get("/<camera_id>/stats")
@blp.arguments(CameraStatsPathSchema, location="path", as_kwargs=True)
@blp.response(200)
@canary(
    domain=service.camera_stats,
    legacy=legacy.camera_stats,
    schema=CameraStatsSchema,
)
def camera_stats() -> None:
    """Live statistics of one camera's detector; zeros for an unknown camera."""
