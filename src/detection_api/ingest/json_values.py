"""Checks of values from JSON and YAML."""

import math
from typing import TypeGuard

MAX_NAME = 255
"""The maximum length of a type or a camera id; requests for longer ones are refused."""

_END_OF_TIME = 253402300800


def finite(value: object) -> float | None:
    """Return `value` as a float if it is a finite number (not a boolean), else None."""
    if type(value) is not float and type(value) is not int:
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def finite_or_zero(value: object) -> float:
    """Return `value` as a float if it is a finite number, else 0."""
    number = finite(value)
    return 0.0 if number is None else number


def is_moment(value: object) -> TypeGuard[float]:
    """Return True if `value` is seconds since 1970, before the year 10000."""
    return (type(value) is float or type(value) is int) and 0 <= value < _END_OF_TIME


def is_name(value: object) -> TypeGuard[str]:
    """Return True if `value` can name a type or a camera."""
    return type(value) is str and 0 < len(value) <= MAX_NAME
