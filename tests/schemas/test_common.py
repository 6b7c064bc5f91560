"""Shared fields accept exactly the documented forms."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from marshmallow import Schema, ValidationError

from detection_api.db import PagePosition
from detection_api.schemas.common import (
    BIGINT_MAX,
    Cursor,
    Identifier,
    StrictInteger,
    UtcDateTime,
    WindowSchema,
    camera_filter,
    limit_field,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2026-11-23T12:00:00", "2026-11-23T12:00:00Z", "2026-11-23T13:00:00+01:00"]
)
def test_a_time_is_read_as_utc(text: str) -> None:
    moment = UtcDateTime().deserialize(text)
    assert (moment, moment.tzinfo) == (NOON, UTC)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+10:00", "yesterday", "1761900000", ""])
def test_a_time_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        UtcDateTime().deserialize(text)


def test_a_time_is_written_with_z() -> None:
    field = UtcDateTime()
    assert field.serialize("at", {"at": NOON}) == "2026-11-23T12:00:00Z"
    elsewhere = NOON.astimezone(timezone(timedelta(hours=1)))
    assert field.deserialize(elsewhere.isoformat()) == NOON


@pytest.mark.parametrize("text", ["7", "-7", "0", "007"])
def test_a_whole_number_is_ascii_digits(text: str) -> None:
    assert StrictInteger().deserialize(text) == int(text)


@pytest.mark.parametrize("text", [" 10 ", "1_0", "１０", "+5", "1.0", "1e2", "", "0x10"])
def test_other_forms_that_python_reads_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        StrictInteger().deserialize(text)


@pytest.mark.parametrize("text", ["a", "区域 α", "a" * 255])
def test_a_name_is_printable(text: str) -> None:
    assert Identifier().deserialize(text) == text


@pytest.mark.parametrize("text", ["", "a" * 256, "a\x00b", "a\nb", "\x7f"])
def test_a_name_that_cannot_be_stored_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Identifier().deserialize(text)


def test_a_cursor_is_a_position() -> None:
    position: Any = PagePosition(NOON, 7)
    assert Cursor().deserialize(position.text()) == position
    with pytest.raises(ValidationError):
        Cursor().deserialize("A" * 23)


class _Query(WindowSchema):
    limit = limit_field()
    camera_id = camera_filter()


def test_parameters_that_are_not_given_have_defaults() -> None:
    assert _Query().load({}) == {
        "limit": 100,
        "camera_id": None,
        "start_time": None,
        "end_time": None,
    }


@pytest.mark.parametrize(
    "values",
    [{"limit": "0"}, {"limit": "1001"}, {"limit": str(BIGINT_MAX)}, {"camera_id": None}],
    ids=str,
)
def test_values_out_of_bounds_and_null_are_refused(values: dict[str, Any]) -> None:
    assert _Query().validate(values).keys() == values.keys()


def test_a_window_may_be_one_moment_but_must_not_be_inverted() -> None:
    schema: Schema = WindowSchema()
    same = {"start_time": "2026-11-23T12:00:00Z", "end_time": "2026-11-23T12:00:00Z"}
    assert schema.load(same) == {"start_time": NOON, "end_time": NOON}
    inverted = {**same, "end_time": "2026-11-23T11:59:59Z"}
    assert schema.validate(inverted) == {"end_time": ["Must not be before start_time."]}
