"""The command assembles the report of the chosen run, or of the last one."""

from pathlib import Path

import pytest

from detection_api.canary.state.store import Store
from detection_api.canary.state.types import EventKind
from tests.rollout.conftest import Run
from tests.rollout.history import History, ago
from tests.rollout.report.conftest import Reported


@pytest.mark.parametrize("form", ["md", "html", "json"])
def test_the_command_writes_to_a_file_or_to_the_terminal(
    healthy: Reported, run: Run, form: str, tmp_path: Path
) -> None:
    url, file = healthy.run.history.url, tmp_path / "report"
    command = ("rollout", "report", healthy.run.id, "--format", form, "--lang", "zh")
    result = run(*command, "--output", file, DATABASE_URL=url)
    assert (result.exit_code, result.stdout) == (0, f"wrote {file}\n")
    assert file.read_text() == run(*command, DATABASE_URL=url).stdout == healthy.show(form, "zh")


def test_without_a_number_the_last_run_is_reported(healthy: Reported, run: Run) -> None:
    result = run("rollout", "report", DATABASE_URL=healthy.run.history.url)
    last = max(event.run for event in healthy.run.store.events(limit=None))
    assert result.stdout.startswith(f"# Rollout run {last}\n")


def test_without_a_run_there_is_nothing_to_report(run: Run) -> None:
    result = run("rollout", "report")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no run yet" in result.stderr
    assert "there is no run 7" in run("rollout", "report", 7).stderr


def test_an_event_that_began_no_run_is_no_run(run: Run, database: str, store: Store) -> None:
    identifier = History(database, store).event("*", EventKind.SET, ago(hours=1), {"percent": 5})
    assert f"there is no run {identifier}" in run("rollout", "report", identifier).stderr
