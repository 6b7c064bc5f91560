"""Carrying a log over: its totals, following it, and every kind of interruption."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from detection_api.clock import utc_now
from detection_api.ingest.event_writer import LogBusyError
from detection_api.ingest.events import Ingestion
from tests.clusters import MIGRATED, Clusters, database_of
from tests.ingest.support import (
    append,
    following,
    has_logged,
    hourly,
    hourly_of_events,
    line,
    lines,
    query,
    read_to_end,
    stored,
    wait_until,
)
from tests.log_lines import logged

TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'detection-api ingest events'"
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_reading_to_the_end_says_what_there_was(database: str, log: Path) -> None:
    append(log, lines(1, 2) + b"oops\n\n" + b"{}\n" * 9 + lines(3) + b"torn")
    totals = read_to_end(database, log)
    assert (totals.lines, totals.events, totals.malformed) == (14, 3, 10)
    assert [shown.excerpt for shown in totals.shown] == ["oops", "{}", "{}", "{}", "{}"]
    assert stored(database) == [1, 2, 3]


def test_reading_again_adds_only_what_is_new(database: str, log: Path) -> None:
    append(log, lines(1, 2) + line(3)[:20])
    assert read_to_end(database, log).events == 2
    assert read_to_end(database, log).events == 0
    append(log, line(3)[20:] + lines(4))
    assert read_to_end(database, log).events == 2
    assert stored(database) == [1, 2, 3, 4]


def test_two_logs_do_not_get_in_each_others_way(database: str, log: Path) -> None:
    other = log.with_name("other.jsonl")
    append(log, lines(1, 2))
    append(other, lines(7))
    read_to_end(database, log)
    read_to_end(database, other)
    append(log, lines(3))
    read_to_end(database, log)
    assert stored(database) == [1, 2, 7, 3]


def test_a_log_has_its_checkpoint_from_the_start_under_its_absolute_path(
    database: str, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.touch()
    monkeypatch.chdir(log.parent)
    read_to_end(database, Path(log.name))
    status = log.stat()
    assert query(database, 'SELECT log, device, inode, "offset" FROM ingest_checkpoints') == [
        (str(log), status.st_dev, status.st_ino, 0)
    ]


def test_a_log_is_the_same_however_its_path_is_spelled(database: str, log: Path) -> None:
    folder, alias = log.parent / "logs", log.parent / "alias"
    folder.mkdir()
    alias.symlink_to(folder)
    spellings = [folder / log.name, folder / ".." / "logs" / log.name, alias / log.name]
    append(spellings[0], lines(1, 2))
    with Ingestion.open(database, spellings[0]) as first:
        for spelling in spellings:
            with pytest.raises(LogBusyError):
                read_to_end(database, spelling)
        first.step(utc_now())
    for spelling in spellings:
        read_to_end(database, spelling)
    assert stored(database) == [1, 2]
    assert query(database, "SELECT log FROM ingest_checkpoints") == [(str(spellings[0]),)]


def test_a_link_that_is_switched_to_another_file_is_a_rotation(database: str, log: Path) -> None:
    first, second = log.with_name("first"), log.with_name("second")
    append(first, lines(1))
    append(second, lines(2))
    log.symlink_to(first)
    read_to_end(database, log)
    log.unlink()
    log.symlink_to(second)
    read_to_end(database, log)
    assert stored(database) == [1, 2]
    assert query(database, "SELECT log FROM ingest_checkpoints") == [(str(log),)]


def test_a_follower_carries_lines_over_soon_after_they_are_complete(
    database: str, log: Path
) -> None:
    with following(database, log):
        append(log, lines(1) + line(2)[:30])
        wait_until(lambda: stored(database) == [1], seconds=5)
        append(log, line(2)[30:])
        wait_until(lambda: stored(database) == [1, 2], seconds=2)


def test_a_follower_follows_rotation_and_truncation(database: str, log: Path) -> None:
    with following(database, log):
        append(log, lines(1))
        wait_until(lambda: stored(database) == [1])
        append(log, lines(2))
        rotated = log.rename(log.with_name("events.jsonl.1"))
        append(log, lines(4))
        append(rotated, lines(3))
        wait_until(lambda: stored(database) == [1, 2, 3, 4])
        os.truncate(log, 0)
        append(log, lines(5))
        wait_until(lambda: stored(database) == [1, 2, 3, 4, 5])


def test_a_follower_logs_malformed_lines_with_their_place(
    database: str, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with following(database, log):
        append(log, lines(1) + b"oops\n[]\n")
        wait_until(lambda: has_logged(caplog, "malformed_lines"))
    entry = next(entry for entry in logged(caplog) if entry["event"] == "malformed_lines")
    assert (entry["count"], entry["first_offset"]) == (2, len(line(1)))
    assert entry["excerpt"] == "oops"
    assert query(database, "SELECT lines, malformed FROM ingest_checkpoints") == [(3, 2)]


def test_a_follower_makes_partitions_though_nothing_happens(database: str, log: Path) -> None:
    month = utc_now().strftime("events_y%Ym%m")
    query(database, f"DROP TABLE IF EXISTS {month}")
    with following(database, log):
        wait_until(lambda: query(database, "SELECT to_regclass(%s)", month) == [(month,)])


def test_a_second_reader_of_a_log_is_refused(database: str, log: Path) -> None:
    append(log, lines(1))
    with Ingestion.open(database, log) as first:
        with pytest.raises(LogBusyError, match="already being ingested"):
            read_to_end(database, log)
        first.step(utc_now())


def test_a_second_follower_stands_by_and_takes_over(
    database: str, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    append(log, lines(1))
    with ExitStack() as first:
        first.enter_context(following(database, log))
        wait_until(lambda: stored(database) == [1])
        with following(database, log):
            wait_until(lambda: has_logged(caplog, "outage", "already being ingested"))
            first.close()
            append(log, lines(2))
            wait_until(lambda: stored(database) == [1, 2])


def test_a_log_that_cannot_be_read_is_tried_again(
    database: str, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log.mkdir()
    with following(database, log):
        wait_until(lambda: has_logged(caplog, "outage", "Is a directory"))
        log.rmdir()
        append(log, lines(1))
        wait_until(lambda: stored(database) == [1])


def test_connections_that_break_lose_and_double_nothing(database: str, log: Path) -> None:
    def broke() -> bool:
        return query(database, TERMINATE) != []

    with following(database, log):
        for number in range(4):
            append(log, lines(*range(number * 100, number * 100 + 100)))
            wait_until(broke)
        wait_until(lambda: len(stored(database)) >= 400)
    assert stored(database) == list(range(400))
    assert hourly(database) == hourly_of_events(database)


def test_a_follower_sits_out_a_server_that_is_away_and_logs_it_once(
    clusters: Clusters, tmp_path: Path, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = clusters.create(tmp_path / "away")
    url = database_of(server.start(), MIGRATED)
    try:
        append(log, lines(1))
        with following(url, log):
            wait_until(lambda: stored(url) == [1])
            server.stop()
            append(log, lines(2))
            wait_until(lambda: has_logged(caplog, "outage"))
            append(log, lines(3))
            server.start()
            wait_until(lambda: has_logged(caplog, "outage_over"))
            wait_until(lambda: stored(url) == [1, 2, 3])
        assert [e["event"] for e in logged(caplog) if "outage" in e["event"]] == [
            "outage",
            "outage_over",
        ]
    finally:
        server.stop()
