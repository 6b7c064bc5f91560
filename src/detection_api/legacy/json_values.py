"""Numbers and times as detectors write them and as clients read them."""

import math
from datetime import UTC, datetime
from typing import TypeGuard

_YEAR_10000 = 253402300800
"""Epoch seconds of the first time that `datetime` cannot hold."""

_LONGEST_NAME = 255


def finite(value: object) -> float | None:
    """Return `value` as a float; None if it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def finite_or_zero(value: object) -> float:
    """Return `value` as a float; 0.0 if it is not a finite number."""
    number = finite(value)
    return 0.0 if number is None else number


def moment(epoch: object) -> datetime | None:
    """Return the UTC time at `epoch` seconds; None if it is not from 1970 to 9999."""
    seconds = finite(epoch)
    if seconds is None or not 0 <= seconds < _YEAR_10000:
        return None
    return datetime.fromtimestamp(seconds, tz=UTC)


def is_name(value: object) -> TypeGuard[str]:
    """Return True if `value` is text of 1 to 255 characters, the name of a type or a camera."""
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME


def utc_text(time: datetime) -> str:
    """Return a UTC time in RFC 3339 with `Z`, and with microseconds unless they are 0."""
    return time.isoformat().replace("+00:00", "Z")
