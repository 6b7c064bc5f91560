"""Alembic's environment, for `detection-api db ...`: migrates the application's database."""

from collections.abc import MutableMapping

import sqlalchemy as sa
from alembic import context
from flask import current_app

from detection_api import models
from detection_api.canary.state.postgres import tables
from detection_api.db import is_partition
from detection_api.models.base import Base

assert models, "registers the tables that autogeneration compares with the database"


def include_name(name: str | None, kind: str, _parents: MutableMapping[str, str | None]) -> bool:
    """Whether autogeneration looks at `name`: partitions belong to ingestion, not to a revision."""
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
        # Two hosts deployed at once: the second waits, then finds nothing left to do.
        connection.execute(LOCK)
        context.run_migrations()
