"""The simulated detector goes on through outages and ends when it is told to."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import psycopg2
import pytest
import redis
from redis.client import PubSub

from detection_api.config import Settings
from detection_api.dev.demo import detector
from detection_api.dev.demo.detector import CHANNEL, EventLog, Statistics, Tables
from detection_api.dev.demo.world import CAMERAS, World
from detection_api.dev.embedded import EmbeddedValkey
from detection_api.ingest import camera_statistics, event_lines
from tests.dev.demo.support import environ
from tests.ingest.support import has_logged, query, running, wait_until

PATIENCE = 120
"""Seconds; a busy machine is no failure."""
PROMPT = 20
"""Seconds, far below those that a server which does not answer would be waited for."""
WORLD = World(1)
MONDAY = 1_795_428_000.0
"""2026-11-23T10:00:00Z, in the middle of a shift."""


@pytest.fixture
def settings(database: str, tmp_path: Path, valkey: EmbeddedValkey) -> Settings:
    (tmp_path / "logs").mkdir()
    return Settings.from_environ(environ(database, tmp_path, valkey.url))


@pytest.fixture
def channel(valkey: EmbeddedValkey) -> Iterator[PubSub]:
    """A subscription to what detectors publish."""
    with (
        closing(redis.Redis.from_url(valkey.url)) as client,
        client.pubsub() as pubsub,  # type: ignore[no-untyped-call]
    ):
        pubsub.subscribe(CHANNEL)
        assert pubsub.get_message(timeout=PATIENCE) is not None
        yield pubsub


def next_statistics(channel: PubSub) -> camera_statistics.ParsedStatistics:
    message = channel.get_message(timeout=PATIENCE, ignore_subscribe_messages=True)
    assert message is not None, "nothing was published in time"
    parsed = camera_statistics.parse(message["data"])
    assert parsed is not None
    return parsed


def cameras_with_records(settings: Settings) -> set[str]:
    rows = query(settings.database_url, "SELECT DISTINCT camera_id FROM detection_records")
    return {camera_id for (camera_id,) in rows}


class Process:
    """`detection-api demo detect` as a process."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "detection_api.cli", "demo", "detect"],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, number: int) -> tuple[int, str]:
        """Ask it to end, which must be prompt; its exit code and standard error."""
        self._process.send_signal(number)
        _, errors = self._process.communicate(timeout=PROMPT)
        return self._process.returncode, errors

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def detecting(environ: dict[str, str]) -> Iterator[Process]:
    process = Process(environ)
    try:
        yield process
    finally:
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_the_command_publishes_inserts_and_ends_when_told_to(
    settings: Settings, tmp_path: Path, channel: PubSub, number: signal.Signals
) -> None:
    with detecting(environ(settings.database_url, tmp_path, settings.redis_url)) as process:
        assert {next_statistics(channel).camera_id for _ in range(4)} == set(CAMERAS)
        newest = "SELECT count(*) FROM detection_records"
        ((written,),) = query(settings.database_url, newest)
        wait_until(lambda: query(settings.database_url, newest)[0][0] >= written + 2)
        code, errors = process.end(number)
    assert code == 0
    assert "Traceback" not in errors


def test_what_is_appended_is_whole_lines_after_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"{}\n")
    EventLog(WORLD, path).append(MONDAY, MONDAY + 600)
    content = path.read_bytes()
    assert content.startswith(b"{}\n")
    assert content.endswith(b"\n")
    parsed = event_lines.parse(content, offset=0, size=len(content))
    assert len(parsed.events) > 10


def test_a_log_that_is_rotated_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = EventLog(WORLD, path)
    log.append(MONDAY, MONDAY + 600)
    path.rename(tmp_path / "log.1")
    log.append(MONDAY + 600, MONDAY + 1200)
    both = (tmp_path / "log.1").read_bytes() + path.read_bytes()
    assert both == b"".join(WORLD.lines(MONDAY, MONDAY + 1200))


def test_each_camera_publishes_statistics_that_both_arms_understand(
    settings: Settings, channel: PubSub
) -> None:
    Statistics(WORLD, settings.redis_url).publish(MONDAY, MONDAY + 1)
    messages = [next_statistics(channel) for _ in CAMERAS]
    assert [message.camera_id for message in messages] == list(CAMERAS)
    assert {message.timestamp.timestamp() for message in messages} == {MONDAY + 1}
    assert all(message.avg_fps > 0 and message.total_frames > 0 for message in messages)


def test_each_camera_gets_a_record_every_five_seconds_and_violations_as_they_come(
    settings: Settings,
) -> None:
    Tables(WORLD, settings.database_url).insert(MONDAY, MONDAY + 3600)
    counts = query(
        settings.database_url,
        "SELECT camera_id, count(*) FROM detection_records GROUP BY 1 ORDER BY 1",
    )
    assert counts == [(camera_id, 720) for camera_id in CAMERAS]
    ((violations,),) = query(settings.database_url, "SELECT count(*) FROM violation_events")
    assert 1 <= violations <= 12


def test_rows_go_on_over_a_new_connection_when_the_server_ended_the_old_one(
    settings: Settings,
) -> None:
    rows = Tables(WORLD, settings.database_url)
    rows.insert(MONDAY, MONDAY + 5)
    query(
        settings.database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'detection-api demo'",
    )
    with pytest.raises(psycopg2.Error):
        rows.insert(MONDAY + 5, MONDAY + 10)
    rows.insert(MONDAY + 5, MONDAY + 10)
    counts = query(settings.database_url, "SELECT count(*) FROM detection_records")
    assert counts == [(2 * len(CAMERAS),)]


def test_without_postgresql_and_redis_the_log_goes_on_and_each_outage_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for interval in ("LOG_INTERVAL", "STATISTICS_INTERVAL", "RECORD_INTERVAL"):
        monkeypatch.setattr(detector, interval, 0.01)
    attempts: list[float] = []
    monkeypatch.setattr(EventLog, "append", lambda self, since, until: attempts.append(until))
    unreachable = environ(f"postgresql:///x?host={tmp_path}", tmp_path, f"unix://{tmp_path}/none")
    with running(detector.detect, WORLD, Settings.from_environ(unreachable)):
        wait_until(lambda: has_logged(caplog, "outage", "Error 2 connecting"))
        wait_until(lambda: has_logged(caplog, "outage", "connection to server"))
        before = len(attempts)
        wait_until(lambda: len(attempts) > before + 20)
    outages = [r.msg for r in caplog.records if isinstance(r.msg, dict)]
    assert sum(entry["event"] == "outage" for entry in outages) == 2


def test_after_an_outage_of_the_disk_the_same_period_is_written_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The periods that are written adjoin, whatever failed in between."""
    monkeypatch.setattr(detector, "LOG_INTERVAL", 0.01)
    periods: list[tuple[float, float]] = []
    failures = iter([False, True, True])

    def append(self: EventLog, since: float, until: float) -> None:
        if next(failures, False):
            raise OSError("disk full")
        periods.append((since, until))

    monkeypatch.setattr(EventLog, "append", append)
    with running(detector.detect, WORLD, settings):
        wait_until(lambda: len(periods) > 5)
    assert all(before[1] == after[0] for before, after in pairwise(periods))


def test_without_redis_configured_nothing_is_published_and_rows_are_written(
    settings: Settings, tmp_path: Path, channel: PubSub, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = Settings.from_environ(environ(settings.database_url, tmp_path))
    with running(detector.detect, WORLD, without):
        wait_until(lambda: cameras_with_records(settings) == set(CAMERAS))
    assert channel.get_message(timeout=0.1, ignore_subscribe_messages=True) is None


def test_a_bug_ends_the_detector_with_its_error(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not left running by halves: its supervisor starts it again."""

    def append(self: EventLog, since: float, until: float) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(EventLog, "append", append)
    with pytest.raises(ZeroDivisionError):
        detector.detect(WORLD, settings, threading.Event())


def test_it_ends_promptly_while_postgresql_does_not_answer(
    settings: Settings, tmp_path: Path, channel: PubSub
) -> None:
    blocked = (
        "SELECT pid FROM pg_stat_activity"
        " WHERE application_name = 'detection-api demo' AND wait_event_type = 'Lock'"
    )
    with (
        detecting(environ(settings.database_url, tmp_path, settings.redis_url)) as process,
        closing(psycopg2.connect(settings.database_url)) as connection,
        connection.cursor() as cursor,
    ):
        next_statistics(channel)
        cursor.execute("LOCK TABLE detection_records")
        wait_until(lambda: bool(query(settings.database_url, blocked)))
        assert process.end(signal.SIGTERM)[0] == 0
