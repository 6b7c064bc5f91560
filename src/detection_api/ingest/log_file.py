"""One file of a log: its identity, and its bytes in chunks of whole lines."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Self

from detection_api.ingest.event_lines import MAX_LINE

CHUNK = 2 * MAX_LINE
HEAD = 1024
"""Number of first bytes that identify a file."""


@dataclass(frozen=True, slots=True)
class LogPosition:
    """A position in a file that is found again after a restart, a rename or a copy.

    `head` is a hash of the file's first bytes, at most HEAD and at most `offset`. These bytes do
    not change in a file that is only appended to.
    """

    device: int
    inode: int
    head: str
    offset: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines that start at byte `offset` and are `size` bytes long.

    `content` is cut if it is a single line that is longer than a chunk.
    """

    offset: int
    size: int
    content: bytes


class LogFile:
    """An open file of a log, read from `offset`, which is always at the start of a line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self._file = path.open("rb", buffering=0)
        self._head = b""
        self._searched = 0

    @classmethod
    def open_existing(cls, paths: Sequence[Path]) -> list[Self]:
        """Open the files of `paths` that exist."""
        files = []
        for path in paths:
            with suppress(FileNotFoundError):
                files.append(cls(path))
        return files

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def identity(self) -> tuple[int, int]:
        """The file's device and inode, which a rename does not change."""
        status = os.fstat(self._file.fileno())
        return status.st_dev, status.st_ino

    @property
    def size(self) -> int:
        """The file's length in bytes."""
        return os.fstat(self._file.fileno()).st_size

    @property
    def modified_ns(self) -> int:
        """The time of the last write, in nanoseconds since 1970."""
        return os.fstat(self._file.fileno()).st_mtime_ns

    @property
    def beginning(self) -> bytes:
        """The file's first bytes, at most HEAD."""
        return self._pread(HEAD, 0)

    @property
    def position(self) -> LogPosition:
        """The position up to which the file is read."""
        return LogPosition(*self.identity, _digest(self._head), self.offset)

    def holds(self, position: LogPosition) -> bool:
        """Return True if `position` is in this file, or in a file with the same head."""
        if position.offset == 0:
            return self.identity == (position.device, position.inode)
        return _digest(self._pread(min(HEAD, position.offset), 0)) == position.head

    def seek(self, position: LogPosition) -> None:
        """Continue at `position`, or at the end of the file if it is shorter now."""
        self.offset = min(position.offset, self.size)
        self._head = self._pread(min(HEAD, position.offset), 0)

    def is_truncated(self) -> bool:
        """Return True if the file is shorter than the bytes read so far."""
        return self.size < self.offset or self._pread(len(self._head), 0) != self._head

    def read(self) -> Chunk | None:
        """Return the next whole lines; None if there are none."""
        content = self._pread(CHUNK, self.offset)
        end = content.rfind(b"\n") + 1
        if end:
            return self._advance(content[:end], end)
        if len(content) < CHUNK:
            return None
        return self._skip_line(content)

    def read_rest(self) -> Chunk | None:
        """Return the unfinished line at the end of a rotated file; None if there is none."""
        content = self._pread(CHUNK, self.offset)
        return self._advance(content, len(content)) if content else None

    def _skip_line(self, start: bytes) -> Chunk | None:
        """Search for the end of a line that is longer than a chunk and begins with `start`."""
        self._searched = max(self._searched, self.offset + len(start))
        while block := self._pread(CHUNK, self._searched):
            end = block.find(b"\n") + 1
            self._searched += end or len(block)
            if end:
                return self._advance(start, self._searched - self.offset)
        return None

    def _advance(self, content: bytes, size: int) -> Chunk:
        chunk = Chunk(self.offset, size, content)
        self._head += content[: HEAD - len(self._head)]
        self.offset += size
        return chunk

    def _pread(self, size: int, offset: int) -> bytes:
        return os.pread(self._file.fileno(), size, offset)


def _digest(head: bytes) -> str:
    return blake2b(head, digest_size=16).hexdigest()
