"""The application for WSGI servers: `gunicorn -c gunicorn.conf.py wsgi:app`."""

from detection_api import create_app

app = create_app()
