"""Parameters and answers of statistics over the event log."""

from datetime import datetime, timedelta
from typing import Any

from marshmallow import Schema, fields, post_load, validate

from detection_api import clock
from detection_api.schemas.common import (
    Identifier,
    StrictInteger,
    UtcDateTime,
    WindowSchema,
    camera_filter,
    default_none,
    limit_field,
)

DEFAULT_WINDOW = timedelta(hours=24)


class DailyQuerySchema(Schema):
    """The parameters of daily statistics; adds the current UTC day as `today`."""

    days = StrictInteger(
        load_default=7,
        validate=validate.Range(1, 90),
        metadata={"description": "Number of UTC days, including today."},
    )
    camera_id = camera_filter()

    @post_load
    def _resolve_today(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**data, "today": clock.utc_now().date()}


class EventsQuerySchema(WindowSchema):
    """A period and filters; without a start it is 24 hours, without an end it ends now."""

    event_type = Identifier(load_default=default_none, metadata={"description": "Only this type."})
    camera_id = camera_filter()
    limit = limit_field()

    @post_load
    def _resolve_window(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        end: datetime = data["end_time"] or clock.utc_now()
        try:
            start: datetime = data["start_time"] or end - DEFAULT_WINDOW
        except OverflowError:
            start = end
        return {**data, "start_time": start, "end_time": end}


class HistoryQuerySchema(Schema):
    """The parameters of the history; replaces `minutes` by the time `since`."""

    minutes = StrictInteger(
        load_default=60,
        validate=validate.Range(1, 1440),
        metadata={"description": "Length of the history, in minutes."},
    )
    limit = limit_field()
    camera_id = camera_filter()

    @post_load
    def _resolve_since(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        minutes = data.pop("minutes")
        return {**data, "since": clock.utc_now() - timedelta(minutes=minutes)}


class DailyCountSchema(Schema):
    """The number of events of one UTC day; days without events are listed, too."""

    date = fields.Date(required=True)
    total_events = fields.Integer(required=True, strict=True)
    counts_by_type = fields.Dict(
        keys=fields.String(), values=fields.Integer(strict=True), required=True
    )


class EventSchema(Schema):
    """One event of the log; `metadata` is the evidence of the detector."""

    id = fields.String(required=True)
    timestamp = UtcDateTime(required=True)
    type = fields.String(required=True)
    camera_id = fields.String(required=True)
    confidence = fields.Float(required=True)
    track_id = fields.Integer(required=True, strict=True, allow_none=True)
    region = fields.String(required=True, allow_none=True)
    metadata = fields.Dict(keys=fields.String(), required=True)


class EventPageSchema(Schema):
    """Events, newest first; `total` is the number returned."""

    events = fields.List(fields.Nested(EventSchema), required=True)
    total = fields.Integer(required=True, strict=True)


class HistoryItemSchema(Schema):
    """One event of the log; `ts` in epoch seconds, `detail` its evidence."""

    ts = fields.Float(required=True)
    camera_id = fields.String(required=True)
    type = fields.String(required=True)
    track_id = fields.Integer(required=True, strict=True, allow_none=True)
    region = fields.String(required=True, allow_none=True)
    detail = fields.Dict(keys=fields.String(), required=True)
