"""gunicorn's server hooks; gunicorn.conf.py names them.

gunicorn's master imports this module. Outside functions it may import the standard library and
`counters` only.
"""

import os
import shutil
import tempfile
from typing import Any

from detection_api.server.counters import METRICS, ensure_folder

OWNER = "DETECTION_API_METRICS_OWNER"
"""The variable that holds the process id of the master that made the folder."""


def share_counters() -> None:
    """Give the workers of this master an empty folder for their counters.

    Must run before prometheus-client is imported. Does nothing when a HUP runs it again.
    """
    if os.environ.get(OWNER) != str(os.getpid()):
        os.environ[METRICS] = tempfile.mkdtemp(prefix="detection-api-metrics-")
        os.environ[OWNER] = str(os.getpid())


def post_fork(_server: Any, _worker: Any) -> None:
    """Make the counters' folder again if a cleaner of temporary files has removed it."""
    ensure_folder()


def post_worker_init(worker: Any) -> None:
    """Load what requests need before the first one."""
    from detection_api.server.worker import begin  # noqa: PLC0415 - only workers load it

    begin(worker.wsgi)


def child_exit(_server: Any, worker: Any) -> None:
    """Drop the gauges of a worker that has ended; its counts are kept."""
    from prometheus_client import multiprocess  # noqa: PLC0415 - METRICS has to be set before

    multiprocess.mark_process_dead(worker.pid)


def on_exit(_server: Any) -> None:
    """Remove the counters' folder."""
    shutil.rmtree(os.environ[METRICS], ignore_errors=True)
