"""The parameters and answers of the corpus' endpoints."""

from marshmallow import Schema, fields, validate
from webargs.fields import DelimitedList

from detection_api.schemas.common import Identifier, StrictInteger, UtcDateTime, default_none


class CameraPathSchema(Schema):
    camera_id = Identifier(required=True)


class RecordsQuerySchema(Schema):
    limit = StrictInteger(load_default=10, validate=validate.Range(1, 1000))
    cursor = StrictInteger(load_default=default_none)
    status = fields.String(load_default=default_none, validate=validate.OneOf(["open", "closed"]))


class RecordSchema(Schema):
    id = fields.Integer(required=True, strict=True)
    camera_id = fields.String(required=True)
    timestamp = UtcDateTime(required=True)
    persons = fields.Integer(required=True, strict=True)
    fps = fields.Float(required=True)
    note = fields.String(required=True, allow_none=True)
    status = fields.String(required=True)


class RecordPageSchema(Schema):
    records = fields.List(fields.Nested(RecordSchema), required=True)
    total = fields.Integer(required=True, strict=True)


class CamerasQuerySchema(Schema):
    active_only = fields.Boolean(load_default=False)
    site = Identifier(load_default=default_none)
    names = DelimitedList(fields.String(), load_default=list)


class CameraSchema(Schema):
    id = fields.String(required=True)
    name = fields.String(required=True)
    location = fields.String(required=True, allow_none=True)
    active = fields.Boolean(required=True)
    frames = fields.Integer(required=True, strict=True)
    persons = fields.Integer(required=True, strict=True)
    rate = fields.Float(required=True)
    seen_at = UtcDateTime(required=True, allow_none=True)


class CameraListSchema(Schema):
    cameras = fields.List(fields.Nested(CameraSchema), required=True)


class DailyQuerySchema(Schema):
    days = StrictInteger(load_default=3, validate=validate.Range(0, 30))
    hours_ahead = StrictInteger(load_default=0, validate=validate.Range(-12, 14))


class DaySchema(Schema):
    date = fields.Date(required=True)
    total = fields.Integer(required=True, strict=True)
    counts = fields.Dict(fields.String(), fields.Integer(strict=True), required=True)


class ViolationSchema(Schema):
    id = fields.Integer(required=True, strict=True)
    camera_id = fields.String(required=True)
    timestamp = UtcDateTime(required=True)
    kind = fields.String(required=True)
    confidence = fields.Float(required=True)
    handled_by = fields.String(required=True, allow_none=True)
    notes = fields.String(required=True, allow_none=True)
    tags = fields.List(fields.String(), required=True)
