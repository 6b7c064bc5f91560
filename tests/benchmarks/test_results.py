"""What a run leaves behind: a file that programs read, and tables for people."""

import json
from pathlib import Path

import pytest
from benchmarks.load import Load
from benchmarks.results import Result

from benchmarks import results

TURNS = [Load(100.0, 1.0, 2.0, 30.0), Load(300.0, 3.0, 4.0, 5.0), Load(200.0, 2.0, 9.0, 6.0)]
RESULT = Result.of("canary", "gunicorn", "cameras.cameras", 10_000, TURNS)


def test_the_file_is_a_list_with_the_medians_of_each_measurement(tmp_path: Path) -> None:
    results.save([RESULT], tmp_path / "results.json")
    assert json.loads((tmp_path / "results.json").read_text()) == [
        {
            "part": "canary",
            "server": "gunicorn",
            "endpoint": "cameras.cameras",
            "rows": 10_000,
            "requests_per_s": 200.0,
            "p50_ms": 2.0,
            "p95_ms": 4.0,
            "p99_ms": 6.0,
            "runs": 3,
        }
    ]


def test_a_new_measurement_replaces_the_same_one_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    others = [Result.of("limit", "pgbench", "cameras.cameras", 10_000, TURNS)]
    results.save([RESULT, *others], file)
    again = Result.of("canary", "gunicorn", "cameras.cameras", 10_000, TURNS[:1])
    results.save([again], file)
    found = json.loads(file.read_text())
    assert [(entry["part"], entry["runs"]) for entry in found] == [("canary", 1), ("limit", 3)]


def test_a_ratio_is_the_median_of_what_turns_side_by_side_say() -> None:
    """The machine was ten times slower in the second turn, for both."""
    ours = [Load(200.0, 0, 0, 0), Load(20.0, 0, 0, 0), Load(210.0, 0, 0, 0)]
    theirs = [Load(100.0, 0, 0, 0), Load(10.0, 0, 0, 0), Load(100.0, 0, 0, 0)]
    assert results.ratio(ours, theirs, "requests_per_s") == pytest.approx(2.0)


def test_a_table_of_ratios_ends_with_geometric_means() -> None:
    table = results.ratios("ours divided by", ["a.first", "b.second"], {"theirs": [0.5, 8.0]})
    assert table.splitlines()[0].split() == [
        "ours",
        "divided",
        "by",
        "first",
        "second",
        "geo",
        "mean",
    ]
    assert table.splitlines()[1].split() == ["theirs", "0.50x", "8.00x", "2.00x"]
