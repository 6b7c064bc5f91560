"""How gunicorn serves the application; the README's table has the variables it reads.

There is no preloading: each worker makes its own application, so that a HUP, after which all
workers are new, makes them read the environment and the env file anew.
"""

import os
import shutil
import tempfile
from typing import Any

METRICS = "PROMETHEUS_MULTIPROC_DIR"

bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = int(os.environ.get("THREADS", "4"))
graceful_timeout = 30
accesslog = None  # the application logs each request itself, with its arm and reason

# Workers count into files of a folder that they share. prometheus-client looks for its name
# when it is imported, so it must be set before.
if METRICS not in os.environ:
    os.environ[METRICS] = tempfile.mkdtemp(prefix="detection-api-metrics-")


def child_exit(_server: Any, worker: Any) -> None:
    """Forget the gauges of a worker that has ended; its counts are kept."""
    from prometheus_client import multiprocess  # noqa: PLC0415 - see above

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_server: Any) -> None:
    """Take the counters' folder away."""
    shutil.rmtree(os.environ[METRICS], ignore_errors=True)
