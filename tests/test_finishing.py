"""Migrations are finished by the steps of docs/retirement.md, in a copy of the tree."""

from pathlib import Path

from tests.copies import Copy

FINISHED = ("records.detection_records", "statistics.daily", "cameras.camera_stats")
"""One endpoint of each blueprint."""
AFFECTED = (
    "tests/arms",
    *(f"tests/blueprints/test_{name}.py" for name in ("cameras", "records", "statistics")),
    *(f"tests/legacy/test_{name}.py" for name in ("cameras", "records", "statistics")),
)

SKIPPED = "not (odd or malformed or no_number or no_count)"
"""Many cases of one promise each, which the endpoints at hand have in common with the others."""


def test_no_test_fails_after_migrations_are_finished_as_documented(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    copy.finish(*FINISHED)
    assert copy.run("ruff", "check", "src", "tests").stdout == "All checks passed!\n"
    tested = copy.run("pytest", "-q", "-p", "no:cacheprovider", "-k", SKIPPED, *AFFECTED)
    assert tested.returncode == 0, tested.stdout[-5000:]
