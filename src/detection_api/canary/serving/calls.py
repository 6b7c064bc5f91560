"""The domain calls of this process, in memory that outlives it; docs/decisions/0032 says why.

A process that dies during a call leaves its file behind, with the call in it. `fleet/deaths.py`
reads the files of dead processes.
"""

import atexit
import fcntl
import json
import mmap
import os
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import structlog

log = structlog.get_logger(__name__)

SUFFIX = ".calls"
SLOTS = 256
"""Calls that a process can have in its file at once; further ones are not recorded."""
MAX_ENDPOINTS = 255
"""Endpoints that a slot, which is a byte, can name; calls of further ones are not recorded."""


class Calls:
    """Records the domain calls in progress by endpoint: without I/O, a lock or a system call.

    The file in `folder` holds a slot for each call: 0, or the number of its endpoint. The names of
    the endpoints follow. Its lock (flock) tells that the process lives. Without a `folder` nothing
    outlives the process.
    """

    def __init__(self, endpoints: Sequence[str], folder: Path | None) -> None:
        self._names = json.dumps(endpoints).encode()
        self._numbers = dict(zip(endpoints, range(1, MAX_ENDPOINTS + 1), strict=False))
        self._folder = folder
        self._file: int | None = None
        self._path: Path | None = None
        self.begin()

    def begin(self) -> None:
        """Record calls in a file of this process: a forked one must not write its parent's."""
        if self._file is not None:
            os.close(self._file)  # a copy of the parent's, which keeps its lock
        self._file = self._path = None
        self._free = deque(range(SLOTS))
        self._memory: bytearray | mmap.mmap = bytearray(SLOTS)
        if self._folder is not None:
            try:
                self._open(self._folder)
            except OSError:
                log.exception("domain_calls_unrecorded", folder=str(self._folder))

    def enter(self, endpoint: str) -> int:
        """Record the begin of a call; return what `leave` needs."""
        try:
            slot = self._free.pop()
        except IndexError:
            return -1
        self._memory[slot] = self._numbers.get(endpoint, 0)
        return slot

    def leave(self, slot: int) -> None:
        """Record the end of a call."""
        if slot >= 0:
            self._memory[slot] = 0
            self._free.append(slot)

    def end(self) -> None:
        """Remove the file: the process ends in an orderly way, and did not die."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    def _open(self, folder: Path) -> None:
        """Make the file. It gets its name once it is locked: unlocked files are of the dead."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unnamed = folder / uuid4().hex
        self._file = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(self._file, bytes(SLOTS) + self._names)
        self._memory = mmap.mmap(self._file, SLOTS)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._path = unnamed.rename(unnamed.with_suffix(SUFFIX))
        atexit.register(self.end)


def left_by_dead(folder: Path) -> list[str]:
    """Return the endpoints of calls during which processes died; remove these processes' files.

    A process counts once for each endpoint: which of its calls ended it is unknown.
    """
    return [name for path in sorted(folder.glob(f"*{SUFFIX}")) for name in _take(path)]


def _take(path: Path) -> set[str]:
    """Return the endpoints in a file and remove it, unless its process lives."""
    unreadable = suppress(OSError, ValueError, IndexError)
    with unreadable, path.open("rb") as file:  # the file of a living process is locked
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file.fileno()).st_nlink == 0:
            return set()  # another process has taken it
        content = file.read()
        path.unlink()
        numbers = set(content[:SLOTS]) - {0}
        names = json.loads(content[SLOTS:])
        return {names[number - 1] for number in numbers}
    return set()
