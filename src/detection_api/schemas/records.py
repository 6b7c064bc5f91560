"""Parameters and answers of detection records and violations."""

from marshmallow import Schema, fields, validate

from detection_api.db import PATTERN
from detection_api.models.records import VIOLATION_STATUSES, VIOLATION_TYPES
from detection_api.schemas.common import (
    BIGINT_MAX,
    Cursor,
    Identifier,
    StrictInteger,
    UtcDateTime,
    WindowSchema,
    default_none,
    limit_field,
)


class CameraPathSchema(Schema):
    """A camera in the path."""

    camera_id = Identifier(required=True)


class PageQuerySchema(WindowSchema):
    """One page of records, of all time or of a period."""

    limit = limit_field()
    offset = StrictInteger(
        load_default=0,
        validate=validate.Range(0, BIGINT_MAX),
        metadata={
            "description": "Number of records to skip, from the newest one or from the cursor."
            " A large offset is slow."
        },
    )
    cursor = Cursor(
        load_default=default_none,
        metadata={
            "description": "The position after the previous page, from its `Link` header."
            " It is fast at any depth, and new records do not shift the pages.",
            "pattern": PATTERN,
        },
    )


class RecordSchema(Schema):
    """The detections of one camera in one frame."""

    id = fields.Integer(required=True, strict=True)
    camera_id = fields.String(required=True)
    timestamp = UtcDateTime(required=True)
    frame_number = fields.Integer(required=True, strict=True, allow_none=True)
    person_count = fields.Integer(required=True, strict=True)
    hairnet_violations = fields.Integer(required=True, strict=True)
    handwash_events = fields.Integer(required=True, strict=True)
    sanitize_events = fields.Integer(required=True, strict=True)
    fps = fields.Float(required=True, allow_none=True)
    processing_time = fields.Float(
        required=True, allow_none=True, metadata={"description": "Seconds."}
    )


class RecordPageSchema(Schema):
    """A page of records, newest first; `total` is the number of matches on all pages."""

    records = fields.List(fields.Nested(RecordSchema), required=True)
    total = fields.Integer(required=True, strict=True)
    camera_id = fields.String(required=True)
    limit = fields.Integer(required=True, strict=True)
    offset = fields.Integer(required=True, strict=True)


class ViolationPathSchema(Schema):
    """A violation in the path."""

    violation_id = StrictInteger(required=True, validate=validate.Range(-BIGINT_MAX, BIGINT_MAX))


class BoundingBoxSchema(Schema):
    """A rectangle in a frame, in pixels."""

    x = fields.Float(required=True)
    y = fields.Float(required=True)
    width = fields.Float(required=True)
    height = fields.Float(required=True)


class ViolationSchema(Schema):
    """A violation of the hygiene rules, and how it was handled."""

    id = fields.Integer(required=True, strict=True)
    camera_id = fields.String(required=True)
    timestamp = UtcDateTime(required=True)
    violation_type = fields.String(required=True, validate=validate.OneOf(VIOLATION_TYPES))
    track_id = fields.Integer(required=True, strict=True, allow_none=True)
    confidence = fields.Float(required=True, allow_none=True)
    status = fields.String(required=True, validate=validate.OneOf(VIOLATION_STATUSES))
    snapshot_path = fields.String(required=True, allow_none=True)
    bbox = fields.Nested(BoundingBoxSchema, required=True, allow_none=True)
    handled_at = UtcDateTime(required=True, allow_none=True)
    handled_by = fields.String(required=True, allow_none=True)
    notes = fields.String(required=True, allow_none=True)
    created_at = UtcDateTime(required=True)
    updated_at = UtcDateTime(required=True)
