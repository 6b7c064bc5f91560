"""The migrations: they make what the models declare, and can be taken back."""

from collections.abc import Callable
from contextlib import closing

import flask_migrate
import psycopg2
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask

from detection_api import partitions, schema
from detection_api.models.base import Base
from tests.conftest import migrating_app


def _engine_of(app: Flask):
    return app.extensions["sqlalchemy"].engine


def _tables(url: str) -> set[str]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {table for (table,) in cursor.fetchall()}


def _include_name(name: str | None, kind: str, _parents: object) -> bool:
    return not (kind == "table" and name is not None and partitions.is_partition(name))


def test_models_and_migrations_declare_the_same_tables(database_url: str) -> None:
    app = migrating_app(database_url)
    with app.app_context(), _engine_of(app).connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": _include_name, "compare_server_default": True}
        )
        differences = compare_metadata(context, Base.metadata)
    assert differences == []


def test_upgrade_downgrade_and_upgrade_again_run_clean(new_database: Callable[[str], str]) -> None:
    url = new_database("there_and_back")
    app = migrating_app(url)
    schema.upgrade(app)
    upgraded = _tables(url)
    with app.app_context():
        flask_migrate.downgrade(revision="base")
    assert _tables(url) == {"alembic_version"}
    schema.upgrade(app)
    assert _tables(url) == upgraded
