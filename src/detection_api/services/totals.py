"""The number of a camera's detection records, from hourly counts."""

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    text,
)

from detection_api.models.records import DetectionRecord, HourlyRecordCount, RecordTotal

_record = DetectionRecord.__table__.c
_hourly = HourlyRecordCount.__table__.c
_camera_id = bindparam("camera_id", type_=Text)
_start = bindparam("start_time", type_=DateTime(timezone=True))
_end = bindparam("end_time", type_=DateTime(timezone=True))

_HOUR: ColumnElement[str] = literal_column("'hour'")
_UTC: ColumnElement[str] = literal_column("'UTC'")
_NEARLY_AN_HOUR = text("interval '1 hour - 1 microsecond'")
_first_hour = func.date_trunc(_HOUR, _start.op("+")(_NEARLY_AN_HOUR), _UTC)
"""The first hour that starts in the window."""
_last_hour = func.date_trunc(_HOUR, _end, _UTC)
"""The hour in which the window ends."""


def total(*, has_start: bool, has_end: bool) -> ColumnElement[int]:
    """Return an expression for the number of a camera's records in a window.

    Whole hours come from the hourly counts. Only the incomplete hours at both ends, less than two
    hours of rows, are counted.
    """
    if not has_start and not has_end:
        counted = RecordTotal.__table__.c
        return _of(counted.count, counted.camera_id == _camera_id)
    if not has_end:
        return _hours(_hourly.hour >= _first_hour) + _rows(
            _record.timestamp >= _start, _record.timestamp < _first_hour
        )
    if not has_start:
        return _hours(_hourly.hour < _last_hour) + _rows(
            _record.timestamp >= _last_hour, _record.timestamp <= _end
        )
    after_hours = func.greatest(_first_hour, _last_hour)
    return (
        _hours(_hourly.hour >= _first_hour, _hourly.hour < _last_hour)
        + _rows(
            _record.timestamp >= _start,
            _record.timestamp < _first_hour,
            _record.timestamp <= _end,
        )
        + _rows(_record.timestamp >= after_hours, _record.timestamp <= _end)
    )


def _hours(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    return _of(func.sum(_hourly.count), _hourly.camera_id == _camera_id, *conditions)


def _rows(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    return _of(func.count(), _record.camera_id == _camera_id, *conditions)


def _of(count: ColumnElement[int], *conditions: ColumnElement[bool]) -> ColumnElement[int]:
    found = select(count).where(*conditions).scalar_subquery()
    return cast(func.coalesce(found, literal_column("0")), BigInteger)
