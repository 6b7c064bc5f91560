"""Migrate the schema of the database; only this module does.

It imports Flask-Migrate, which takes long, at the first migration: workers never need it.
"""

from functools import cache
from pathlib import Path
from typing import Any

import click
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from werkzeug.local import LocalProxy

MIGRATIONS = Path(__file__).parents[1] / "migrations"
"""The revisions: in a checkout a link to the folder `migrations`, in a wheel a copy of it."""


class _Commands(click.Command):
    """`flask db`: Flask-Migrate's commands."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Return a context in which Flask-Migrate's group runs."""
        from flask_migrate.cli import db  # noqa: PLC0415

        context: click.Context = db.make_context(*args, **extra)
        return context


def init_migrations(app: Flask, database: SQLAlchemy) -> None:
    """Join Flask-Migrate to `app`; its first use imports it."""

    @cache
    def load() -> Any:
        from flask_migrate import Migrate  # noqa: PLC0415

        Migrate(app, database, directory=str(MIGRATIONS))  # takes the places of what is set below
        return app.extensions["migrate"]

    app.extensions["migrate"] = LocalProxy(load)
    app.cli.add_command(_Commands("db", help="Perform database migrations."))


def upgrade(app: Flask) -> None:
    """Migrate the database of `app` to the newest revision; do nothing if it is there already."""
    import flask_migrate  # noqa: PLC0415

    with app.app_context():
        flask_migrate.upgrade()
