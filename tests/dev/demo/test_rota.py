"""The demo's factory is busy by shifts, with breaks and rushes."""

from datetime import UTC, datetime

import pytest

from detection_api.dev.demo.rota import WEEKEND_SHARE, visits_per_minute


def _rate(day: int, hour: int, minute: int = 0) -> float:
    return visits_per_minute(datetime(2026, 11, day, hour, minute, tzinfo=UTC))


MONDAY, SATURDAY, SUNDAY = 23, 28, 29


def test_breaks_are_quieter_than_nights_and_nights_than_work() -> None:
    assert _rate(MONDAY, 12, 10) < _rate(MONDAY, 3) < _rate(MONDAY, 10)


@pytest.mark.parametrize(("hour", "minute"), [(6, 0), (9, 15), (12, 30), (14, 14), (18, 30)])
def test_people_rush_at_shift_changes_and_after_breaks(hour: int, minute: int) -> None:
    assert _rate(MONDAY, hour, minute) > 3 * _rate(MONDAY, 10)


@pytest.mark.parametrize("day", [SATURDAY, SUNDAY])
def test_a_weekend_is_quieter_at_every_hour(day: int) -> None:
    for hour in range(24):
        assert _rate(day, hour) == pytest.approx(WEEKEND_SHARE * _rate(MONDAY, hour))
