"""Values from JSON are checked by their exact type."""

import math

import pytest

from detection_api.ingest.json_values import MAX_NAME, finite, finite_or_zero, is_moment, is_name


@pytest.mark.parametrize("value", [7, 7.5, 0, -1], ids=repr)
def test_a_finite_number_is_a_float(value: float) -> None:
    assert finite(value) == value
    assert type(finite(value)) is float


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, 10**400, True, "7", None, [7]], ids=lambda value: repr(value)[:9]
)
def test_other_values_are_no_numbers(value: object) -> None:
    assert finite(value) is None
    assert finite_or_zero(value) == 0.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, True), (253402300799.9, True), (253402300800, False), (-0.1, False), (True, False)],
    ids=repr,
)
def test_a_moment_is_from_1970_to_9999(value: object, expected: bool) -> None:
    assert is_moment(value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a", True), ("a" * MAX_NAME, True), ("a" * (MAX_NAME + 1), False), ("", False), (7, False)],
    ids=lambda value: repr(value)[:9],
)
def test_a_name_is_text_of_limited_length(value: object, expected: bool) -> None:
    assert is_name(value) is expected
