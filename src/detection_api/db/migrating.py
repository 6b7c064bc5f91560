"""Migrate the schema of the database; only this module does."""

from pathlib import Path

from flask import Flask

MIGRATIONS = Path(__file__).parents[1] / "migrations"
"""The revisions: in a checkout a link to the folder `migrations`, in a wheel a copy of it."""


def upgrade(app: Flask) -> None:
    """Migrate the database of `app` to the newest revision; do nothing if it is there already."""
    import flask_migrate  # noqa: PLC0415 - takes long, and workers never need it

    with app.app_context():
        flask_migrate.upgrade()
