"""Run migrations for `detection-api db ...`, on the application's database.

The models are imported for autogeneration and `db check` only; no revision may import them.
"""

import sqlalchemy as sa
from alembic import context
from flask import current_app

from detection_api import models
from detection_api.canary.state.postgres import tables
from detection_api.db import is_partition
from detection_api.models.base import Base

assert models, "importing it registers the tables that autogeneration compares"


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Return False for a partition: ingestion makes partitions, revisions do not."""
    return not (kind == "table" and name is not None and is_partition(name))


LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('detection-api migrations', 0))")

with current_app.extensions["migrate"].db.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=[Base.metadata, tables.metadata],
        include_name=include_name,
        compare_server_default=True,
    )
    with context.begin_transaction():
        # When two hosts migrate at once, the second waits, then has nothing left to do.
        connection.execute(LOCK)
        context.run_migrations()
