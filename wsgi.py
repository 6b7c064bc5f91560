"""The application for WSGI servers: `gunicorn -c gunicorn.conf.py wsgi:app`."""

import sys

from detection_api import create_app
from detection_api.errors import ConfigurationError

GUNICORN_GIVES_UP = 3
"""The exit code of a worker that gunicorn does not start again."""

try:
    app = create_app()
except ConfigurationError as error:
    print(f"detection-api cannot start: {error}", file=sys.stderr)  # noqa: T201 - for an operator
    sys.exit(GUNICORN_GIVES_UP)
