"""Charts obey the strict content security policy and label each bar."""

from datetime import UTC, datetime, timedelta

import pytest

from detection_api.console.data import charts
from detection_api.console.data.figures import CAUSES, Minute

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
COUNTS = {"error": 3, "timeout": 2}
QUIET = Minute(begins=NOON - timedelta(minutes=1), exposure=None, failures=(0,) * len(CAUSES))
BUSY = Minute(begins=NOON, exposure=100, failures=tuple(COUNTS.get(cause, 0) for cause in CAUSES))
MINUTES = (QUIET, BUSY)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_charts_have_neither_style_nor_script_and_say_what_a_bar_is(language: str) -> None:
    exposure, failures = charts.exposure(MINUTES, language), charts.failures(MINUTES, language)
    for chart in (exposure, failures):
        assert "<style" not in chart
        assert "style=" not in chart
        assert "<script" not in chart
        assert 'role="img"' in chart
    assert "<title>12:00  100%</title>" in exposure
    assert failures.count('class="bar"') == 2
    assert "<title>12:00  3</title>" in failures
