"""The commands, as somebody who tries the API out runs them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from detection_api.cli.demo import demo
from detection_api.telemetry import logs
from tests.dev.demo.support import environ
from tests.ingest.support import query

pytestmark = pytest.mark.usefixtures("unbound_waits")


@pytest.fixture
def run(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `detection-api demo` in an empty world, with logs as the tests have them."""
    monkeypatch.setattr(logs, "configure", lambda level: None)
    for name, value in environ(database, tmp_path).items():
        monkeypatch.setenv(name, value)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(demo, arguments)

    return invoke


@pytest.mark.parametrize("command", ["history", "detect"])
def test_every_command_explains_itself_with_an_example(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"detection-api demo {command} --seed" in result.output.partition("Example:")[2]


@pytest.mark.parametrize("command", ["history", "detect"])
def test_a_missing_setting_is_one_clear_line(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    result = run(command)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: DATABASE_URL is not set")
    assert result.stderr.count("\n") == 1


def test_history_is_written_until_now(run: Callable[..., Result], database: str) -> None:
    assert run("history").exit_code == 0
    found = query(
        database,
        "SELECT now() - max(timestamp) < '10 minutes', max(timestamp) <= now()"
        " FROM detection_records",
    )
    assert found == [(True, True)]


def test_another_seed_is_another_history(
    run: Callable[..., Result], database: str, tmp_path: Path
) -> None:
    log = tmp_path / "logs" / "events_record.jsonl"
    contents = []
    for seed in ("1", "2"):
        assert run("history", "--seed", seed).exit_code == 0
        contents.append(set(log.read_bytes().splitlines()[1:]))
        log.unlink()
        query(database, "TRUNCATE detection_records, violation_events")
    assert len(contents[0] & contents[1]) < 0.1 * len(contents[0])


@pytest.mark.parametrize("command", ["history", "detect"])
def test_a_world_of_somebody_else_is_refused_in_one_clear_line(
    run: Callable[..., Result], database: str, command: str
) -> None:
    query(database, "INSERT INTO detection_records (timestamp, camera_id) VALUES (now(), 'line 3')")
    result = run(command)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        "Error: the database or the event log has data that the demo did not write"
    )
    assert query(database, "SELECT count(*) FROM detection_records") == [(1,)]


def test_a_server_that_is_not_there_is_one_clear_line(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql:///x?host={tmp_path}")
    result = run("history")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: PostgreSQL: connection to server")
    assert result.stderr.count("\n") == 1


def test_a_log_that_cannot_be_written_is_one_clear_line(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "logs").write_text("a file where a folder has to be")
    result = run("history")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: [Errno 20] Not a directory")
