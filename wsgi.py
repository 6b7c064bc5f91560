"""The application for WSGI servers.

gunicorn -c gunicorn.conf.py wsgi:app
granian --interface wsgi wsgi:app
"""

import sys

from detection_api import create_app
from detection_api.errors import ConfigurationError
from detection_api.server import granian, worker

STOP_RESTARTING = 3
"""The exit code after which gunicorn does not start the worker again."""

if granian.is_worker():
    granian.join()

try:
    app = create_app()
except ConfigurationError as error:
    print(f"detection-api cannot start: {error}", file=sys.stderr)  # noqa: T201 - for an operator
    sys.exit(STOP_RESTARTING)

if granian.is_worker():
    worker.begin(app)
    granian.leave_at_end(app)
