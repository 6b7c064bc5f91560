"""What ingestion's tests share: log lines, looks into the database, followers."""

import json
import multiprocessing
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from detection_api.clock import utc_now
from detection_api.ingest import events
from detection_api.ingest.events import Ingestion, Totals
from tests.log_lines import logged
from tests.processes import signals_held

NOVEMBER_23 = 1_795_392_000.0
"""2026-11-23T00:00:00Z."""
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])


def line(number: int, **fields: Any) -> bytes:
    """The log line of event `number`, which is its track id, with `fields` of its own."""
    event = {
        "ts": NOVEMBER_23 + number,
        "type": ("NO_HAIRNET", "HANDWASH")[number % 2],
        "camera_id": f"cam{number % 3}",
        "track_id": number,
        "evidence": {"confidence": 0.5, "region": "sink"},
    }
    return json.dumps(event | fields).encode() + b"\n"


def lines(*numbers: int) -> bytes:
    return b"".join(map(line, numbers))


def append(log: Path, content: bytes) -> None:
    with log.open("ab") as file:
        file.write(content)


def query(url: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SET TimeZone = 'UTC'")
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def stored(url: str) -> list[int]:
    """The numbers of the events in the database, in the order of their ids."""
    return [number for (number,) in query(url, "SELECT track_id FROM events ORDER BY id")]


def hourly(url: str) -> dict[tuple[Any, ...], int]:
    rows = query(url, "SELECT hour, camera_id, type, count FROM hourly_event_counts")
    return {tuple(key): count for *key, count in rows}


def hourly_of_events(url: str) -> dict[tuple[Any, ...], int]:
    """What the hourly counts must be, counted from the events themselves."""
    rows = query(
        url,
        "SELECT date_trunc('hour', timestamp), camera_id, type, count(*)"
        " FROM events GROUP BY 1, 2, 3",
    )
    return {tuple(key): count for *key, count in rows}


def has_logged(caplog: pytest.LogCaptureFixture, event: str, text: str = "") -> bool:
    """Whether there is a log line of this event with `text` in its error."""
    return any(e["event"] == event and text in e.get("error", "") for e in logged(caplog))


def read_to_end(url: str, log: Path, *, patience: int = 0) -> Totals:
    """Carry the log over as the command without --follow does."""
    totals = Totals()
    with Ingestion.open(url, log, patience=patience) as ingestion:
        while (parsed := ingestion.step(utc_now())) is not None:
            totals.add(parsed)
    return totals


def wait_until(holds: Callable[[], bool], *, seconds: float = 20) -> None:
    """Wait until `holds`, and fail when it does not in time."""
    until = time.monotonic() + seconds
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        pause.wait(0.02)


@contextmanager
def running(target: Callable[..., None], *arguments: Any) -> Iterator[None]:
    """Run `target(*arguments, stop)` in a thread; stop it at the end, which must be prompt."""
    stop = threading.Event()
    thread = threading.Thread(target=target, args=(*arguments, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=10)
    assert not thread.is_alive(), "it did not stop when told to"


def following(url: str, log: Path) -> Any:
    """A follower of `log` in a thread."""
    return running(events.follow, url, log)


@contextmanager
def killed_follower(url: str, *logs: Path) -> Iterator[None]:
    """A follower of `logs` in a process of its own, killed as by `kill -9` at the end.

    It is forked and imports nothing, so that it works within milliseconds on a busy machine, too.
    """
    process = _FORKS.Process(target=_follow_forever, args=(url, logs))
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()
        process.close()


def _follow_forever(url: str, logs: tuple[Path, ...]) -> None:
    events.follow_all(url, logs, threading.Event())


class Command:
    """`detection-api ingest` as a process; ended hard at the end unless it has ended."""

    def __init__(self, *arguments: str | Path, **environ: str) -> None:
        with signals_held():
            self._process = subprocess.Popen(
                [sys.executable, "-m", "detection_api.ingest", *map(str, arguments)],
                env={"ENV_FILE": "none", **environ},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._process.kill()
        self._process.communicate()

    def terminate(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Ask it to end, which must be prompt; its exit code and standard error."""
        self._process.send_signal(number)
        return self.wait()[::2]

    def wait(self) -> tuple[int, str, str]:
        """Wait for its end; its exit code, standard output and standard error."""
        output, errors = self._process.communicate(timeout=30)
        return self._process.returncode, output, errors
