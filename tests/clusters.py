"""PostgreSQL clusters for the tests, copied from one that a whole run makes once."""

import fcntl
import os
import subprocess
from contextlib import closing
from pathlib import Path

import psycopg2
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from psycopg2 import sql
from sqlalchemy.pool import NullPool

from detection_api.db.migrating import upgrade as upgrade_database
from detection_api.dev.embedded import EmbeddedPostgres
from detection_api.models.base import Base

MIGRATIONS = Path(__file__).parents[1] / "migrations"
MIGRATED = "newest_revision"
"""The database of every cluster that is at the newest revision and has no rows."""

SETTINGS = """
fsync = off
full_page_writes = off
"""
"""Data have to outlive a killed server, but no crash of the whole machine."""


class Clusters:
    """Makes clusters; `folder` belongs to the whole run, and all its processes share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._original = folder / "cluster"

    def create(self, folder: Path) -> EmbeddedPostgres:
        """Return a cluster in `folder`, which has a database MIGRATED; it is not started."""
        with (self._folder / "cluster.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._original.exists():
                self._create_original()
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            folder.rmdir()
        subprocess.run(["cp", "-a", self._original, folder], check=True)  # keeps the owner
        return EmbeddedPostgres(folder)

    def _create_original(self) -> None:
        unfinished = self._folder / "cluster.unfinished"
        server = EmbeddedPostgres(unfinished)
        url = server.start()
        upgrade(create_database(url, MIGRATED))
        server.stop()
        with (unfinished / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS)
        unfinished.rename(self._original)


def shared_folder(base: Path) -> Path:
    """Return the folder of the whole run; `base` is this process's own, for its temporary files."""
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def create_database(url: str, name: str, template: str = "template1") -> str:
    """Create a database as a copy of `template` on the server of `url`; return its libpq URL."""
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
    return database_of(url, name)


def database_of(url: str, name: str) -> str:
    """Return the libpq URL of a database on the server of `url`."""
    return url.replace("/postgres?", f"/{name}?", 1)


def migrating_app(url: str) -> Flask:
    """Return an application with no more than migrations need, for the database at `url`."""
    app = Flask("migrations")
    app.config["SQLALCHEMY_DATABASE_URI"] = url.replace("postgresql:", "postgresql+psycopg2:", 1)
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"poolclass": NullPool}
    Migrate(app, SQLAlchemy(app, metadata=Base.metadata), directory=str(MIGRATIONS))
    return app


def upgrade(url: str) -> None:
    """Migrate the database at `url` to the newest revision."""
    upgrade_database(migrating_app(url))
