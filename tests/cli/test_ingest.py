"""The commands, as an operator runs them."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import msgspec
import pytest
import redis
from click.testing import CliRunner, Result

from detection_api.cli.ingest import ingest
from detection_api.dev.embedded import EmbeddedValkey
from detection_api.ingest.camera_statistics import CHANNEL
from detection_api.telemetry import logs
from tests.ingest.support import Command, append, lines, query, stored, wait_until

pytestmark = pytest.mark.usefixtures("unbound_waits")


@pytest.fixture
def run(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `detection-api ingest` for the test's database, with logs as the tests have them."""
    monkeypatch.setattr(logs, "configure", lambda level: None)
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("REDIS_URL", raising=False)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(ingest, [*map(str, arguments)])

    return invoke


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.mark.parametrize("command", ["events", "cameras", "stats"])
def test_every_command_explains_itself_with_an_example(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"detection-api ingest {command}" in result.output.partition("Example:")[2]


@pytest.mark.parametrize(
    "arguments",
    [["events", "x"], ["events", "x", "--follow"], ["cameras", "x"], ["stats"]],
    ids=str,
)
def test_a_missing_setting_is_one_clear_line(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: DATABASE_URL is not set")
    assert result.stderr.count("\n") == 1


def test_reading_a_log_prints_a_summary_and_the_first_malformed_lines(
    run: Callable[..., Result], log: Path
) -> None:
    append(log, lines(*range(1500)) + b"{}\n" + b"x\n" * 6)
    result = run("events", log)
    assert result.exit_code == 0
    summary, *shown = result.stdout.splitlines()
    assert summary.startswith("1,507 lines: 1,500 events, 7 malformed; ")
    assert summary.endswith(" lines/s")
    assert shown[0].startswith("  malformed at byte ")
    assert shown[0].endswith(": ts is not a time: {}")
    assert len(shown) == 6
    assert shown[-1] == "  ... and 2 more"


def test_a_log_that_is_not_there_is_an_error(run: Callable[..., Result], log: Path) -> None:
    result = run("events", log)
    assert (result.exit_code, result.stderr) == (1, f"Error: {log} does not exist\n")


def test_a_database_that_is_away_is_one_clear_line(
    run: Callable[..., Result], log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(log, lines(1))
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/x")
    result = run("events", log)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: PostgreSQL: connection to server at")
    assert result.stderr.count("\n") == 1


def test_cameras_are_synced_and_counted(
    run: Callable[..., Result], database: str, tmp_path: Path
) -> None:
    file = tmp_path / "cameras.yaml"
    file.write_text("cameras: [{id: cam0}, {id: cam1}]")
    result = run("cameras", file)
    assert (result.exit_code, result.stdout) == (0, "2 cameras\n")
    assert query(database, "SELECT id FROM cameras ORDER BY position") == [("cam0",), ("cam1",)]


def test_an_unusable_camera_file_is_one_clear_line(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "cameras.yaml"
    file.write_text("cameras:\n- id: [")
    result = run("cameras", file)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {file} cannot be used: line 2: ")
    assert result.stderr.count("\n") == 1


def test_statistics_need_redis(run: Callable[..., Result]) -> None:
    result = run("stats")
    assert (result.exit_code, result.stderr) == (1, "Error: REDIS_URL is not set\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_follower_ends_cleanly_on_a_signal(database: str, log: Path, number: int) -> None:
    append(log, lines(1))
    with Command("events", log, "--follow", DATABASE_URL=database) as follower:
        wait_until(lambda: stored(database) == [1])
        code, errors = follower.terminate(number)
    assert code == 0
    events = [msgspec.json.decode(entry)["event"] for entry in errors.splitlines()]
    assert "ingesting" in events
    assert "outage" not in events


def test_a_second_reader_is_refused_while_a_follower_runs(
    run: Callable[..., Result], database: str, log: Path
) -> None:
    append(log, lines(1))
    with Command("events", log, "--follow", DATABASE_URL=database):
        wait_until(lambda: stored(database) == [1])
        result = run("events", log)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {log} is already being ingested by another process\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_following_ends_with_a_signal_and_puts_the_handlers_back(
    run: Callable[..., Result], database: str, log: Path, number: int
) -> None:
    append(log, lines(1))
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with _signalled(number, lambda: stored(database) == [1]):
        assert run("events", log, "--follow").exit_code == 0
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_cameras_are_followed_until_a_signal(
    run: Callable[..., Result], database: str, tmp_path: Path
) -> None:
    file = tmp_path / "cameras.yaml"
    file.write_text("cameras: [{id: cam0}]")
    with _signalled(signal.SIGTERM, lambda: query(database, "SELECT id FROM cameras") != []):
        assert run("cameras", file, "--follow").exit_code == 0


def test_statistics_are_carried_over_until_a_signal(
    run: Callable[..., Result], valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", valkey.url)
    with _signalled(signal.SIGTERM, lambda: _subscribers(valkey.url) == 1):
        assert run("stats").exit_code == 0


@contextmanager
def _signalled(number: int, when: Callable[[], bool]) -> Iterator[None]:
    """Send this process a signal, once `when`, as long as it is handled."""
    unhandled = signal.getsignal(number)

    def send() -> None:
        try:
            wait_until(when)
        finally:
            if signal.getsignal(number) != unhandled:
                os.kill(os.getpid(), number)

    thread = Thread(target=send)
    thread.start()
    yield
    thread.join()


def _subscribers(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        ((_, count),) = client.pubsub_numsub(CHANNEL)
        return int(count)
