"""Values are written as people of a language read them."""

import pytest

from detection_api.rollout.report.document import Number, Unit
from detection_api.rollout.report.formats.writer import Writer


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0, "0 s", "0 秒"),
        (12.345, "12.3 s", "12.3 秒"),
        (59.6, "1 min", "1 分钟"),
        (213.9, "3 min 34 s", "3 分钟 34 秒"),
        (600, "10 min", "10 分钟"),
        (3_599.6, "1 h", "1 小时"),
        (5_445, "1 h 30 min", "1 小时 30 分钟"),
        (86_399, "23 h 59 min", "23 小时 59 分钟"),
        (86_430, "1 d", "1 天"),
        (183_600, "2 d 3 h", "2 天 3 小时"),
    ],
)
def test_a_duration_is_written_in_its_two_largest_units(
    seconds: float, english: str, chinese: str
) -> None:
    length = Number(seconds, Unit.SECONDS)
    assert Writer("en").value(length) == english
    assert Writer("zh").value(length) == chinese
