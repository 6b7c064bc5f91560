"""The current time is aware and in UTC."""

from datetime import UTC, datetime, timedelta

from detection_api import clock


def test_now_is_in_utc() -> None:
    now = clock.utc_now()
    assert now.tzinfo is UTC
    assert datetime.now(UTC) - now < timedelta(minutes=1)
