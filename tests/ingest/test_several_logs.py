"""Several logs at once: each exactly once, none waiting for another's trouble."""

import random
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import psycopg2
import pytest

from detection_api.ingest import events
from detection_api.ingest.log_file import CHUNK
from detection_api.ingest.log_reader import LineBatch, LogReader
from tests.ingest.support import (
    Command,
    append,
    has_logged,
    hourly,
    hourly_of_events,
    killed_follower,
    line,
    lines,
    query,
    running,
    stored,
    wait_until,
)
from tests.log_lines import logged

LOGS = 4
LINES = 5_000
KILLS = 6


@pytest.fixture
def logs(tmp_path: Path) -> list[Path]:
    return [tmp_path / f"line-{number}.jsonl" for number in range(LOGS)]


def _offsets(url: str) -> dict[str, int]:
    return dict(query(url, 'SELECT log, "offset" FROM ingest_checkpoints'))


def test_logs_that_grow_at_once_are_carried_over_exactly_once_through_kills(
    database: str, logs: list[Path]
) -> None:
    """Their events share hours, cameras and types, so that their followers meet in the counts."""
    moments = random.Random(5)
    contents = [
        b"".join(line(number, track_id=log * LINES + number) for number in range(LINES))
        for log in range(LOGS)
    ]
    pause, readers_stop, read = Event(), Event(), []

    def write(log: Path, content: bytes) -> None:
        while content:
            size = moments.randrange(1, 40_000)
            append(log, content[:size])
            content = content[size:]
            pause.wait(0.01)

    def count() -> None:
        while not readers_stop.is_set():
            ((found,),) = query(database, "SELECT count(*) FROM events")
            read.append(found)

    threads = [Thread(target=write, args=pair) for pair in zip(logs, contents, strict=True)]
    reader = Thread(target=count)
    for thread in [*threads, reader]:
        thread.start()
    kills = 0
    while kills < KILLS or any(thread.is_alive() for thread in threads):
        with killed_follower(database, *logs):
            pause.wait(moments.uniform(0, 0.1))
        kills += 1
    with Command("events", *logs, "--follow", DATABASE_URL=database) as follower:
        sizes = {str(log): log.stat().st_size for log in logs}
        wait_until(lambda: _offsets(database) == sizes, seconds=60)
        code, _ = follower.terminate()
    readers_stop.set()
    reader.join()
    assert code == 0
    assert sorted(stored(database)) == list(range(LOGS * LINES))
    assert hourly(database) == hourly_of_events(database)
    assert read == sorted(read)
    for log in range(LOGS):
        own = [n for n in stored(database) if log * LINES <= n < (log + 1) * LINES]
        assert own == sorted(own), "a log's events have ids in its order"


def test_a_log_that_cannot_be_read_holds_up_no_other(
    database: str, logs: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    broken, *others = logs
    broken.mkdir()
    with running(events.follow_all, database, logs):
        wait_until(lambda: has_logged(caplog, "outage", "Is a directory"))
        for number, log in enumerate(others):
            append(log, lines(number))
        wait_until(lambda: sorted(stored(database)) == [0, 1, 2])
        broken.rmdir()
        append(broken, lines(7))
        wait_until(lambda: sorted(stored(database)) == [0, 1, 2, 7])
    outages = [line["what"] for line in logged(caplog) if line["event"] == "outage"]
    assert outages == [f"ingestion of {broken}"]


def test_a_log_that_is_named_twice_has_one_follower(
    logs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    followed: list[Path] = []
    monkeypatch.setattr(events, "follow", lambda url, path, stop: followed.append(path))
    log = logs[0]
    again = log.parent / ".." / log.parent.name / log.name
    events.follow_all("unused", [log, again, logs[1]], Event())
    assert sorted(followed) == logs[:2]


def test_a_fault_in_one_follower_ends_them_all_for_a_supervisor_to_see(
    database: str, logs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, read = Event(), LogReader.read

    def break_down(self: LogReader) -> LineBatch | None:
        if self._path == logs[1]:
            raise ZeroDivisionError
        return read(self)

    monkeypatch.setattr(LogReader, "read", break_down)
    with pytest.raises(ZeroDivisionError):
        events.follow_all(database, logs, stop)
    assert stop.is_set()


def test_no_more_than_a_chunk_of_each_log_is_read_ahead_of_the_database(
    database: str, logs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While PostgreSQL stores nothing, the logs are the queue."""
    read: list[Path] = []
    real = LogReader.read

    def counting(self: LogReader) -> LineBatch | None:
        batch = real(self)
        if batch is not None and batch.chunk is not None:
            read.append(self._path)
        return batch

    monkeypatch.setattr(LogReader, "read", counting)
    content = b"".join(map(line, range(3 * CHUNK // len(line(0)))))
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND application_name = 'detection-api ingest events'"
    )
    for log in logs[:2]:
        append(log, content)
    with closing(psycopg2.connect(database)) as busy, busy.cursor() as cursor:
        cursor.execute("LOCK TABLE hourly_event_counts")
        with running(events.follow_all, database, logs[:2]):
            wait_until(lambda: query(database, waiting) == [(2,)])
            assert sorted(read) == logs[:2]
            busy.rollback()
            wait_until(lambda: set(_offsets(database).values()) == {len(content)})
    assert hourly(database) == hourly_of_events(database)


def test_logs_are_read_to_their_ends_one_after_another(database: str, logs: list[Path]) -> None:
    for number, log in enumerate(logs):
        append(log, lines(number))
    with Command("events", *logs, DATABASE_URL=database) as command:
        code, output, _ = command.wait()
    assert code == 0
    assert output.count("1 lines: 1 events, 0 malformed") == LOGS
    assert stored(database) == [0, 1, 2, 3]
