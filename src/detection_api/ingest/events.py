"""Carry an event log into PostgreSQL exactly once, to its end or as it grows."""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

import psycopg2
import structlog

from detection_api.clock import utc_now
from detection_api.config import log_key
from detection_api.ingest.database import Outage, connect
from detection_api.ingest.event_lines import SHOWN, Malformed, Parsed, parse
from detection_api.ingest.event_writer import EventWriter, LogBusyError
from detection_api.ingest.log_reader import LogReader

log = structlog.get_logger(__name__)

POLL_INTERVAL = 0.2
"""Seconds between two reads of a log without new lines."""
ROTATION_PATIENCE = 5
"""Number of empty reads of a rotated file before a follower leaves it."""


@dataclass(slots=True)
class Totals:
    """The counts of one run; `shown` holds the first malformed lines."""

    lines: int = 0
    events: int = 0
    malformed: int = 0
    shown: list[Malformed] = field(default_factory=list)

    def add(self, parsed: Parsed) -> None:
        """Add the counts of one more chunk."""
        self.lines += parsed.lines
        self.events += len(parsed.events)
        self.malformed += parsed.malformed
        self.shown += parsed.shown[: SHOWN - len(self.shown)]


class Ingestion:
    """The ingestion of one log; no other process can ingest it at the same time."""

    def __init__(self, reader: LogReader, writer: EventWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @contextmanager
    def open(cls, database_url: str, path: Path, *, patience: int = 0) -> Iterator[Self]:
        """Connect, and continue at the log's checkpoint; for `patience` see LogReader.

        Raises LogBusyError, and psycopg2's errors.
        """
        path = Path(log_key(path))
        with ExitStack() as stack:
            connection = stack.enter_context(
                closing(connect(database_url, "detection-api ingest events"))
            )
            writer = EventWriter(connection, str(path))
            checkpoint = writer.checkpoint()
            position = checkpoint.position if checkpoint else None
            since_ns = checkpoint.updated_at.timestamp() * 1e9 if checkpoint else 0
            reader = LogReader(path, position, since_ns, patience=patience)
            stack.enter_context(closing(reader))
            log.info("ingesting", log=str(path), offset=position.offset if position else 0)
            yield cls(reader, writer)

    def step(self, now: datetime) -> Parsed | None:
        """Store the next chunk and return what it held; None if there is nothing new.

        Raises OSError and psycopg2's errors. After an error, open the log again: the checkpoint
        shows if the chunk was stored.
        """
        batch = self._reader.read()
        if batch is None:
            self._writer.prepare(now)
            return None
        chunk = batch.chunk
        parsed = parse(chunk.content, offset=chunk.offset, size=chunk.size) if chunk else Parsed()
        self._writer.write(parsed, batch.position, now)
        return parsed

    def backlog(self) -> int:
        """Return how many bytes of the open files are still unread."""
        return self._reader.backlog()


def follow_all(database_url: str, paths: Iterable[Path], stop: threading.Event) -> None:
    """Ingest several logs at once as they grow, until `stop` is set.

    Each log has a follower with its own connection, so an outage of one log delays no other. A
    log that is named twice has one follower.
    """
    logs = list(dict.fromkeys(Path(log_key(path)) for path in paths))
    with ThreadPoolExecutor(len(logs), thread_name_prefix="follower") as followers:
        following = [followers.submit(follow, database_url, log, stop) for log in logs]
        wait(following, return_when=FIRST_EXCEPTION)
        stop.set()  # one follower has failed: end all, so that the supervisor restarts them
        for follower in following:
            follower.result()


def follow(database_url: str, path: Path, stop: threading.Event) -> None:
    """Ingest the log at `path` as it grows, until `stop` is set; continues after every outage.

    It reads the next chunk after the last one is stored, so memory holds at most one chunk.
    """
    outage = Outage(f"ingestion of {path}")
    while not stop.is_set():
        try:
            with Ingestion.open(database_url, path, patience=ROTATION_PATIENCE) as ingestion:
                _follow(ingestion, path, stop, outage)
        except (psycopg2.Error, OSError, LogBusyError) as error:
            stop.wait(outage.failed(error))


def _follow(ingestion: Ingestion, path: Path, stop: threading.Event, outage: Outage) -> None:
    while not stop.is_set():
        parsed = ingestion.step(utc_now())
        outage.over()
        if parsed is None:
            stop.wait(POLL_INTERVAL)
        elif parsed.malformed:
            first = parsed.shown[0]
            log.warning(
                "malformed_lines",
                log=str(path),
                count=parsed.malformed,
                first_offset=first.offset,
                reason=first.reason,
                excerpt=first.excerpt,
            )
