"""gunicorn's settings; docs/configuration.md describes the variables that this file reads.

gunicorn reads the process's environment only. The application also reads the env file, again after
each HUP. The master loads nothing of the application, so that a HUP brings new code and new
settings to all workers. With `--preload` the master loads the application once, and a HUP brings
neither.
"""

import importlib
import os

import detection_api
from detection_api.server import counters, gunicorn_hooks, gunicorn_workers

for module in (detection_api, counters, gunicorn_hooks, gunicorn_workers):
    importlib.reload(module)  # a HUP runs this file again, and must find new code
gunicorn_hooks.share_counters()

bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("THREADS", "4"))
worker_class = gunicorn_workers.FairWorker if threads > 1 else gunicorn_workers.LoneWorker
graceful_timeout = 30
keepalive = 5  # seconds that an idle connection stays open
accesslog = None  # the application logs each request, with its arm and reason
control_socket_disable = True  # all instances of a user would share one file

post_fork = gunicorn_hooks.post_fork
post_worker_init = gunicorn_hooks.post_worker_init
child_exit = gunicorn_hooks.child_exit
on_exit = gunicorn_hooks.on_exit
