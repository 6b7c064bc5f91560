"""The database's schema: the one place that brings it up to date."""

import flask_migrate
from flask import Flask


def upgrade(app: Flask) -> None:
    """Migrate `app`'s database to the newest revision; nothing happens where it already is."""
    with app.app_context():
        flask_migrate.upgrade()
