"""Numbers and times as detectors write them and as clients read them."""

import math
from datetime import UTC, datetime
from typing import TypeGuard

_YEAR_10000 = 253402300800
"""Epoch seconds of the first moment that `datetime` cannot hold."""

_LONGEST_NAME = 255


def finite(value: object) -> float | None:
    """`value` as a float; None where it is not a number, or not a finite one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def finite_or_zero(value: object) -> float:
    """`value` as a float; 0.0 where it is not a number, or not a finite one."""
    number = finite(value)
    return 0.0 if number is None else number


def moment(epoch: object) -> datetime | None:
    """The UTC time at `epoch` seconds; None where that is not a time since 1970."""
    seconds = finite(epoch)
    if seconds is None or not 0 <= seconds < _YEAR_10000:
        return None
    return datetime.fromtimestamp(seconds, tz=UTC)


def is_name(value: object) -> TypeGuard[str]:
    """Whether `value` can name a type or a camera: 1 to 255 characters of text."""
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME


def utc_text(time: datetime) -> str:
    """An aware UTC time in RFC 3339 with `Z`, and microseconds where it has any."""
    return time.isoformat().replace("+00:00", "Z")
