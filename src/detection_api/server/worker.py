"""The beginning and the end of a worker, whichever server it is of: read `begin` first.

Gunicorn calls it through `gunicorn.conf.py`. Granian has no such hooks: there `wsgi.py` does, and
`join_granian` before it, because prometheus-client decides how to count when it is imported.
"""

import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing.util import Finalize
from pathlib import Path

from flask import Flask

METRICS = "PROMETHEUS_MULTIPROC_DIR"
ROLLOUT_STATE_WITHIN = 1.5
LIVE_STATISTICS_WITHIN = 1.5
"""Seconds; detectors publish every second."""

SWITCH_INTERVAL = 0.0005
"""Seconds for which a thread that computes, such as a comparison, may keep the interpreter from one
that has an answer to give; Python's 0.005 are longer than most answers take."""
_FOLDER = "detection-api-metrics-of-"
_PROC = Path("/proc")
_STARTED_AT = 19
"""The place of a process's start among what its `stat` says after its name."""


def begin(app: Flask) -> None:
    """Have the rollout's state and live statistics before the first request.

    Otherwise a reload would send clients of the domain to legacy for a moment, and show those of
    legacy a second of zeros. From then on requests wait for no other thread or garbage for long.
    """
    from detection_api.extensions import canary  # noqa: PLC0415 - after `join_granian`
    from detection_api.legacy.sources import sources  # noqa: PLC0415

    canary.start(app, within=ROLLOUT_STATE_WITHIN)
    sources.live.warm_up(LIVE_STATISTICS_WITHIN)
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.collect()
    gc.freeze()  # what is here by now stays: no request has to wait while it is looked through


def is_granians() -> bool:
    """Whether this process is a worker of granian."""
    return "granian" in sys.modules


def join_granian() -> None:
    """Count into files of a folder that is shared with the other workers of the same granian.

    What servers that ended have left behind goes away. A folder that is given is taken as it is.
    """
    # Until granian sets the worker's own, a fork has its parent's handlers, which end nothing.
    for asked_to_end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked_to_end, signal.SIG_DFL)
    if METRICS not in os.environ:
        temporary = Path(tempfile.gettempdir())
        for folder in temporary.glob(f"{_FOLDER}*"):
            if not _is_running(folder.name.removeprefix(_FOLDER)):
                shutil.rmtree(folder, ignore_errors=True)
        os.environ[METRICS] = str(temporary / f"{_FOLDER}{_name(os.getppid())}")
    Path(os.environ[METRICS]).mkdir(mode=0o700, parents=True, exist_ok=True)


def end_with_granian(app: Flask) -> None:
    """Have what was counted told when this worker ends, and its gauges forgotten.

    Those of workers that were killed are forgotten now.
    """
    from prometheus_client import multiprocess  # noqa: PLC0415 - after `join_granian`

    from detection_api.extensions import canary  # noqa: PLC0415

    for pid in _ended(Path(os.environ[METRICS])):
        multiprocess.mark_process_dead(pid)
    # Not atexit: multiprocessing, whose child this process is, does not call that.
    Finalize(None, multiprocess.mark_process_dead, args=(os.getpid(),), exitpriority=0)
    Finalize(None, canary.stop, args=(app,), exitpriority=1)


def _ended(folder: Path) -> Iterator[int]:
    """The processes that have gauges in a folder of counters, and have ended."""
    for pid in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*_*.db")}:
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, PermissionError):  # its number may be another user's by now
            yield pid


def _is_running(name: str) -> bool:
    """Whether the process of that `_name` runs still; what others call so is taken to."""
    number = name.partition("-")[0]
    return not number.isdecimal() or name == _name(int(number))


def _name(pid: int) -> str:
    """What no other process is ever called: its id, and when it was started after the boot."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except FileNotFoundError:
        return f"{pid}-ended"
    return f"{pid}-{stat.rpartition(')')[2].split()[_STARTED_AT]}"
