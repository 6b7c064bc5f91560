"""A reader of a log that may be restarted, and the files that a rotation makes."""

import os
from pathlib import Path

from detection_api.ingest.log_file import LogPosition
from detection_api.ingest.log_reader import LogReader

NS = 10**9


class Restarted:
    """A reader that continues at its last position after a restart."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.position: LogPosition | None = None
        self.since_ns = 0.0
        self.restart()

    def restart(self, *, patience: int = 0) -> None:
        self._reader = LogReader(self._log, self.position, self.since_ns, patience=patience)

    def read(self) -> bytes:
        """Return everything up to the first empty read."""
        content = b""
        while batch := self._reader.read():
            content += batch.chunk.content if batch.chunk else b""
            self.position = batch.position
        return content

    def end(self) -> None:
        self._reader.close()


def write_file(path: Path, content: bytes, *, written: int) -> None:
    """Write a file that was last modified `written` seconds after 1970."""
    path.write_bytes(content)
    os.utime(path, ns=(written * NS, written * NS))


def rotate(log: Path, kept: int = 9) -> None:
    """Rename the log to .1, .1 to .2, and so on, as logrotate does."""
    for number in range(kept, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.rename(log.with_name(f"{log.name}.{number + 1}"))
    log.rename(log.with_name(f"{log.name}.1"))
