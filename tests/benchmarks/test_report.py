"""The README keeps the last whole run, and the machine that it was on."""

import os
from pathlib import Path

import pytest

from benchmarks import report


@pytest.fixture
def readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report, "_lines", [])
    copy = tmp_path / "README.md"
    copy.write_text(report.README.read_text())
    return copy


def test_a_run_takes_the_place_of_the_last_one_and_nothing_else_changes(readme: Path) -> None:
    before = readme.read_text()
    report.show(r"first run \1")
    report.write_readme(readme)
    report._lines[:] = ["second run"]
    report.write_readme(readme)
    after = readme.read_text()
    assert "second run" in after
    assert "first run" not in after
    start = before.index("<!-- results -->")
    assert after[:start] == before[:start]
    assert after.endswith("```\n<!-- end of results -->\n")


def test_the_machine_is_told_in_a_line() -> None:
    line = report.machine()
    assert f"{os.cpu_count()} cores" in line
    assert "\n" not in line
