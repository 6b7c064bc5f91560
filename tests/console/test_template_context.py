"""The console's figures keep small values visible and absent values apart from zero."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from detection_api.console import template_context


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0%"), (0.0004, "0.04%"), (0.005, "0.5%"), (0.25, "25%"), (1.0, "100%")],
)
def test_a_small_share_is_not_rounded_to_zero(share: float, text: str) -> None:
    assert template_context.percent(share) == text


def test_an_absent_value_is_not_shown_as_zero() -> None:
    assert template_context.percent(None) == template_context.NOTHING
    assert template_context.milliseconds(None) == template_context.NOTHING


def test_times_are_shown_in_utc() -> None:
    at = datetime(2026, 11, 25, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert template_context.moment(at) == "2026-11-24 23:30:00"
    assert template_context.clock(at) == template_context.clock(at.astimezone(UTC)) == "23:30:00"
