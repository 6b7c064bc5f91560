"""Adds all that operators of a canary need to a Flask application: see `init_app`.

It joins the canary's store, the console, operators' tokens and /metrics to any application;
docs/canary.md shows how. `create_tables` makes the tables where no migrations do.
"""

from detection_api.operations.setup import init_app
from detection_api.operations.tables import create_tables

__all__ = ["create_tables", "init_app"]
