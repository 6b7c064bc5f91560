"""Find the files of a rotated log that are still unread, and their order."""

import glob
import re
from pathlib import Path

import structlog

from detection_api.ingest.log_file import LogFile, LogPosition

log = structlog.get_logger(__name__)

COMPRESSED = frozenset({".bz2", ".gz", ".lz4", ".xz", ".zst"})


def unread_files(path: Path, position: LogPosition, since_ns: float) -> list[LogFile]:
    """Return the files with lines after `position`, oldest first, `path` last.

    The first is the file that holds `position`, possibly renamed or copied; it continues there. If
    there is none, the files that were modified after `since_ns` (nanoseconds since 1970) are
    returned. If the file lost its end, for example by a power failure, it continues at its new
    end. Both cases are logged.
    """
    files = LogFile.open_existing([path, *_siblings(path)])
    holders = [file for file in files if file.holds(position)]
    named = (position.device, position.inode)
    holder = max(holders, key=lambda file: (file.identity == named, file.size), default=None)
    if holder is not None:
        if holder.size < position.offset:
            log.warning("log_end_lost", log=str(path), offset=position.offset, size=holder.size)
        holder.seek(position)
        unread = [holder, *_after(path, files, holder)]
    else:
        unread = _newer(path, files, (since_ns,), [])
        if unread:
            log.warning("log_position_lost", log=str(path), offset=position.offset)
    _close_others(files, unread)
    return unread


def newer_files(path: Path, last: LogFile) -> list[LogFile]:
    """Return the files of the log after `last`, oldest first, `path` last."""
    files = LogFile.open_existing([path, *_siblings(path)])
    newer = _after(path, files, last)
    _close_others(files, newer)
    return newer


def _siblings(path: Path) -> list[Path]:
    """Return the files beside `path` that a rotation may have made of it."""
    names = path.parent.glob(glob.escape(path.name) + "[.-]*")
    return [file for file in names if file.suffix not in COMPRESSED and file.is_file()]


def _age(file: LogFile) -> tuple[float, ...]:
    """Return a key that sorts files oldest first: modification time, then number (2 before 1)."""
    number = re.search(r"\.(\d+)$", file.path.name)
    return file.modified_ns, -int(number[1]) if number else 0


def _after(path: Path, files: list[LogFile], last: LogFile) -> list[LogFile]:
    """Return those of `files` that are newer than `last`.

    If an editor replaced the log by a copy, the copy continues at the same position.
    """
    for current in files:
        if current.path == path and current.identity == last.identity:
            return []
        if current.path == path and current.holds(last.position):
            current.seek(last.position)
    return _newer(path, files, _age(last), [last])


def _newer(
    path: Path, files: list[LogFile], age: tuple[float, ...], known: list[LogFile]
) -> list[LogFile]:
    """Return those of `files` that are newer than `age`, and always the one at `path`.

    A copy of a `known` file or of another file, which starts with the same bytes, is left out.
    """
    current = [file for file in files if file.path == path]
    beginnings = [file.beginning for file in known + current]
    newer = []
    for file in sorted(files, key=_age):
        beginning = file.beginning
        if _age(file) > age and not any(_is_copy(beginning, other) for other in beginnings):
            beginnings.append(beginning)
            newer.append(file)
    return newer + current


def _is_copy(beginning: bytes, other: bytes) -> bool:
    """Return True if one file begins with the other's bytes, or the first one is empty."""
    shorter = min(len(beginning), len(other))
    return not beginning or (shorter > 0 and beginning[:shorter] == other[:shorter])


def _close_others(files: list[LogFile], kept: list[LogFile]) -> None:
    for file in files:
        if file not in kept:
            file.close()
