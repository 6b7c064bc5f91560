"""The application for WSGI servers.

gunicorn -c gunicorn.conf.py wsgi:app
granian --interface wsgi wsgi:app
"""

import sys

from detection_api import create_app
from detection_api.errors import ConfigurationError
from detection_api.server import worker

GUNICORN_GIVES_UP = 3
"""The exit code of a worker that gunicorn does not start again."""

if worker.is_granians():
    worker.join_granian()

try:
    app = create_app()
except ConfigurationError as error:
    print(f"detection-api cannot start: {error}", file=sys.stderr)  # noqa: T201 - for an operator
    sys.exit(GUNICORN_GIVES_UP)

if worker.is_granians():
    worker.begin(app)
    worker.end_with_granian(app)
