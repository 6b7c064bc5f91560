"""Read one log to its end, across rotation and truncation."""

import math
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import structlog

from detection_api.ingest.log_file import Chunk, LogFile, LogPosition
from detection_api.ingest.rotation import newer_files, unread_files

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LineBatch:
    """A chunk and the position after it; the chunk is None after a move to another file."""

    chunk: Chunk | None
    position: LogPosition


class LogReader:
    """Reads the log at `path` from `position`, or from the start of the file if it is None.

    `since_ns` is the time at which `position` was stored, in nanoseconds since 1970. The reader
    leaves a rotated file after `patience` empty reads, because its writer may reopen the log late.
    """

    def __init__(
        self, path: Path, position: LogPosition | None, since_ns: float, *, patience: int
    ) -> None:
        self._path = path
        self._position = position
        self._since_ns = since_ns
        self._patience = patience
        self._quiet_reads = 0
        self._files: deque[LogFile] = deque()

    def close(self) -> None:
        """Close every file; the next read opens them again."""
        while self._files:
            self._files.pop().close()

    def backlog(self) -> int:
        """Return how many bytes of the open files are still unread."""
        return sum(file.size - file.offset for file in self._files)

    def read(self) -> LineBatch | None:
        """Return the next batch; None if there is nothing new. Raises OSError."""
        if self._files and self._files[0].is_truncated():
            self._position, self._since_ns = self._files[0].position, math.inf
            log.info("log_truncated", log=str(self._path), offset=self._position.offset)
            self.close()
        if not self._files:
            return self._open()
        if chunk := self._files[0].read():
            self._quiet_reads = 0
            return LineBatch(chunk, self._files[0].position)
        return self._move_on()

    def _open(self) -> LineBatch | None:
        if self._position is None:
            self._files.extend(LogFile.open_existing([self._path]))
        else:
            self._files.extend(unread_files(self._path, self._position, self._since_ns))
        return LineBatch(None, self._files[0].position) if self._files else None

    def _move_on(self) -> LineBatch | None:
        """Move from a rotated file to the next one, after `patience` reads at its end."""
        if len(self._files) == 1 and self._is_rotated():
            self._files.extend(newer_files(self._path, self._files[0]))
        if len(self._files) == 1:
            return None
        self._quiet_reads += 1
        if self._quiet_reads <= self._patience:
            return None
        self._quiet_reads = 0
        finished = self._files.popleft()
        rest = finished.read_rest()
        finished.close()
        position = self._files[0].position
        log.info("log_rotated", log=str(self._path), inode=position.inode)
        return LineBatch(rest, position)

    def _is_rotated(self) -> bool:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) != self._files[0].identity
