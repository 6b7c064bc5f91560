"""Fields and parameters that several domains share."""

import re
from datetime import UTC, datetime
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from detection_api.db import PagePosition

BIGINT_MAX = 2**63 - 1

_DIGITS = re.compile(r"-?[0-9]+", re.ASCII)
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")


class UtcDateTime(fields.AwareDateTime):
    """A time: read as ISO 8601 (UTC if it has no zone), written as RFC 3339 with `Z`."""

    wire_type: ClassVar = datetime

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso", default_timezone=UTC, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        moment = super()._deserialize(value, attr, data, **kwargs)
        try:
            return moment.astimezone(UTC)
        except OverflowError as error:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from error

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        text = super()._serialize(value, attr, obj, **kwargs)
        return text.replace("+00:00", "Z") if isinstance(text, str) else text


class StrictInteger(fields.Integer):
    """A whole number in ASCII digits; refuses ` 10 `, `1_0` and `１０`, which Python accepts."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not _DIGITS.fullmatch(value):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class Identifier(fields.String):
    """The name of a camera or an event type: 1 to 255 printable characters."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["metadata"] = {"pattern": "^[^\\x00-\\x1f\\x7f]+$", **kwargs.get("metadata", {})}
        super().__init__(
            validate=[validate.Length(min=1, max=255), refuse_control_characters], **kwargs
        )


class Cursor(fields.String):
    """The position after a page, from the `Link` header of that page."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return PagePosition.read(super()._deserialize(value, attr, data, **kwargs))
        except ValueError as error:
            raise ValidationError("Not a cursor of a Link header.") from error


def refuse_control_characters(text: str) -> None:
    """Raise ValidationError if `text` has control characters, which PostgreSQL may not store."""
    if _CONTROL_CHARACTERS.search(text):
        raise ValidationError("Must not contain control characters.")


def default_none() -> None:
    """Return None, the value of a parameter that is not given.

    It is a function because `load_default=None` would also document and accept null.
    """


def limit_field() -> StrictInteger:
    """Return the parameter for the maximum number of items: 1 to 1000, 100 by default."""
    return StrictInteger(
        load_default=100,
        validate=validate.Range(1, 1000),
        metadata={"description": "Maximum number of items."},
    )


def camera_filter() -> Identifier:
    """Return the optional parameter that limits an answer to one camera."""
    return Identifier(load_default=default_none, metadata={"description": "Only this camera."})


class WindowSchema(Schema):
    """A period of time that includes both ends."""

    start_time = UtcDateTime(
        load_default=default_none,
        metadata={"description": "Start of the period, inclusive; UTC if it has no zone."},
    )
    end_time = UtcDateTime(
        load_default=default_none,
        metadata={"description": "End of the period, inclusive; UTC if it has no zone."},
    )

    @validates_schema
    def _refuse_inverted(self, data: dict[str, Any], **_: Any) -> None:
        start, end = data["start_time"], data["end_time"]
        if start and end and end < start:
            raise ValidationError("Must not be before start_time.", "end_time")
