"""Parameters and answers of cameras and their live statistics."""

from typing import Any

from marshmallow import Schema, fields, post_load

from detection_api import clock
from detection_api.schemas.common import Identifier, UtcDateTime


class CamerasQuerySchema(Schema):
    """The parameters of the list of cameras."""

    active_only = fields.Boolean(
        load_default=False, metadata={"description": "Leave out cameras that are not active."}
    )


class CameraStatsPathSchema(Schema):
    """A camera in the path; adds the current time as `now`."""

    camera_id = Identifier(required=True)

    @post_load
    def _resolve_now(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**data, "now": clock.utc_now()}


class CameraSchema(Schema):
    """One configured camera."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    source = fields.String(required=True)
    location = fields.String(required=True, allow_none=True)
    status = fields.String(required=True)
    active = fields.Boolean(required=True)
    auto_start = fields.Boolean(required=True)
    resolution = fields.String(required=True, allow_none=True, metadata={"example": "1920x1080"})
    fps = fields.Float(required=True, allow_none=True)
    region_id = fields.String(required=True, allow_none=True)
    regions_file = fields.String(required=True, allow_none=True)


class CameraListSchema(Schema):
    """Cameras in their configured order."""

    cameras = fields.List(fields.Nested(CameraSchema), required=True)


class DetectorStatsSchema(Schema):
    """The latest statistics of a camera's detector; rates in frames a second, times in seconds."""

    total_frames = fields.Integer(required=True, strict=True)
    processed_frames = fields.Integer(required=True, strict=True)
    detected_persons = fields.Integer(required=True, strict=True)
    detected_hairnets = fields.Integer(required=True, strict=True)
    detected_handwash = fields.Integer(required=True, strict=True)
    avg_fps = fields.Float(required=True)
    avg_detection_time = fields.Float(required=True)
    last_detection_time = UtcDateTime(required=True, allow_none=True)


class CameraStatsSchema(Schema):
    """The state and statistics of a camera's detector; zeros if the camera is unknown."""

    camera_id = fields.String(required=True)
    running = fields.Boolean(required=True)
    pid = fields.Integer(required=True, strict=True)
    log_file = fields.String(required=True)
    stats = fields.Nested(DetectorStatsSchema, required=True)
