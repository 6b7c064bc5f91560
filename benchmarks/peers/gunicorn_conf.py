"""Gunicorn for the peers: as many workers as ours, of uvicorn with uvloop and httptools."""

import gc
import os
from typing import Any

bind = f"127.0.0.1:{os.environ['PORT']}"
workers = int(os.environ["WEB_CONCURRENCY"])
worker_class = "uvicorn_worker.UvicornWorker"
accesslog = None
loglevel = "warning"
control_socket_disable = True


def post_worker_init(_worker: Any) -> None:
    """Exclude loaded objects from garbage collection, as our workers do."""
    gc.collect()
    gc.freeze()
