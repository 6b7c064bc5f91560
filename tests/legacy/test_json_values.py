"""Values of detectors are read as legacy has always read them."""

import math
from datetime import UTC, datetime

import pytest

from detection_api.legacy.json_values import finite, finite_or_zero, is_name, moment, utc_text


@pytest.mark.parametrize("value", [math.nan, -math.inf, 10**400, True, "7", None], ids=str)
def test_what_is_not_a_finite_number_is_none_or_zero(value: object) -> None:
    assert finite(value) is None
    assert finite_or_zero(value) == 0.0


def test_a_finite_number_is_a_float() -> None:
    assert (finite(7), finite_or_zero(-0.5)) == (7.0, -0.5)


@pytest.mark.parametrize("epoch", [-1, 253402300800, math.nan, "1795392000", None], ids=repr)
def test_a_time_outside_1970_to_9999_is_none(epoch: object) -> None:
    assert moment(epoch) is None


def test_a_time_is_utc_and_written_with_z() -> None:
    time = moment(1_795_392_000)
    assert time == datetime(2026, 11, 23, tzinfo=UTC)
    assert utc_text(time) == "2026-11-23T00:00:00Z"
    assert utc_text(time.replace(microsecond=5)) == "2026-11-23T00:00:00.000005Z"


@pytest.mark.parametrize(
    ("value", "expected"), [("a" * 255, True), ("", False), ("a" * 256, False)]
)
def test_a_name_has_1_to_255_characters(value: str, expected: bool) -> None:
    assert is_name(value) is expected
