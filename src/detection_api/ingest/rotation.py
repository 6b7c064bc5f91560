"""The files of one log, when it has been rotated: which are still to be read, in which order."""

import glob
import re
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import structlog

from detection_api.ingest.log_file import HEAD, LogFile, Position

log = structlog.get_logger(__name__)

COMPRESSED = frozenset({".bz2", ".gz", ".lz4", ".xz", ".zst"})


def unread_files(path: Path, position: Position, since_ns: int | None) -> list[LogFile]:
    """The files with what comes after `position`, oldest first; the last is the one at `path`.

    The first is the file that has `position`, renamed or copied since, set to read on from there.
    Where it is gone, that is logged, and files beside the log that were written to after
    `since_ns` (nanoseconds since 1970; None: no file) are taken for newer ones. Empty where
    nothing is at `path` yet either.
    """
    files = LogFile.open_existing([path, *_siblings(path)])
    current = next((file for file in files if file.path == path), None)
    found = _find(files, position)
    if found is not None:
        found.seek(position)
        since_ns = found.modified_ns
    elif current is not None:
        log.error("log_lost", log=str(path), offset=position.offset)
    chosen = [file for file in (found, current) if file is not None]
    if current is not None and found is not current and since_ns is not None:
        chosen[-1:-1] = _newer_than(since_ns, found, files, chosen)
    for file in files:
        if file not in chosen:
            file.close()
    return chosen
