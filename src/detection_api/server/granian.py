"""The start and end of granian's workers.

Granian has no hooks, so `wsgi.py` calls `join` before it makes the application, and `leave_at_end`
afterwards.
"""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing.util import Finalize
from pathlib import Path

from flask import Flask

from detection_api.server.counters import METRICS, ensure_folder

_FOLDER = "detection-api-metrics-of-"
_PROC = Path("/proc")
_STARTED_AT = 19
"""The index of a process's start time among the fields that follow its name in `stat`."""


def is_worker() -> bool:
    """Return whether this process is a granian worker."""
    return "granian" in sys.modules


def join() -> None:
    """Share a folder of counters with the other workers of the same granian.

    Removes the folders of servers that have ended. Keeps a folder that the environment names.
    """
    # A fork has its parent's handlers, which do not end it, until granian sets the worker's own.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    if METRICS not in os.environ:
        temporary = Path(tempfile.gettempdir())
        for folder in temporary.glob(f"{_FOLDER}*"):
            if not _is_running(folder.name.removeprefix(_FOLDER)):
                shutil.rmtree(folder, ignore_errors=True)
        os.environ[METRICS] = str(temporary / f"{_FOLDER}{_identity(os.getppid())}")
    ensure_folder()


def leave_at_end(app: Flask) -> None:
    """When this worker ends, write its last counts to the store and drop its gauges.

    Drops the gauges of killed workers now.
    """
    from prometheus_client import multiprocess  # noqa: PLC0415 - after `join`

    from detection_api.extensions import canary  # noqa: PLC0415

    for pid in _ended(Path(os.environ[METRICS])):
        multiprocess.mark_process_dead(pid)
    # multiprocessing, which started this process, does not call atexit's functions.
    Finalize(None, multiprocess.mark_process_dead, args=(os.getpid(),), exitpriority=0)
    Finalize(None, canary.stop, args=(app,), exitpriority=1)


def _ended(folder: Path) -> Iterator[int]:
    """Return the ids of ended processes that have gauges in a folder of counters."""
    for pid in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*_*.db")}:
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, PermissionError):  # another user's process may have the id now
            yield pid


def _is_running(identity: str) -> bool:
    """Return whether the process of this identity runs; True for names of other programs."""
    pid = identity.partition("-")[0]
    return not pid.isdecimal() or identity == _identity(int(pid))


def _identity(pid: int) -> str:
    """Return a name that no other process ever has: the id and the start time of a process."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except FileNotFoundError:
        return f"{pid}-ended"
    return f"{pid}-{stat.rpartition(')')[2].split()[_STARTED_AT]}"
