"""The store over PostgreSQL; the only package of the canary that imports psycopg2 and SQLAlchemy.

`store` implements the port, `statements` has its SQL, `tables` its tables.
"""

from detection_api.canary.state.postgres.store import SESSION_SETTINGS, Connection, PostgresStore
from detection_api.canary.state.postgres.tables import TRIGGERS, metadata

__all__ = [
    "SESSION_SETTINGS",
    "TRIGGERS",
    "Connection",
    "PostgresStore",
    "metadata",
]
