"""The limits of the service level, as the pages for operators state them."""

from pathlib import Path

import pytest

from detection_api.canary.guard import LATE_RATIO, SLOW_SECONDS

ROOT = Path(__file__).parents[3]
MS = f"{SLOW_SECONDS * 1000:g}"


@pytest.mark.parametrize(
    ("page", "limits"),
    [
        ("README.md", (f"{MS} ms", f"{LATE_RATIO:g} times")),
        ("README.zh-CN.md", (f"{MS} 毫秒", f"{LATE_RATIO:g} 倍")),
        ("docs/runbook.md", (f"{MS} ms",)),
    ],
)
def test_a_page_states_the_limits_that_the_code_applies(page: str, limits: tuple[str]) -> None:
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    (row,) = (line for line in lines if line.startswith("| `latency` |"))
    assert all(limit in row for limit in limits)
