"""Real servers for every test that needs one: started once, ended at the end."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from hypothesis import settings
from psycopg2 import extensions, sql
from sqlalchemy.pool import NullPool

from detection_api.canary.state.postgres import tables
from detection_api.cli import command
from detection_api.db.migrating import upgrade as upgrade_database
from detection_api.dev.embedded import EmbeddedPostgres, EmbeddedValkey
from detection_api.models.base import Base
from detection_api.telemetry import logs

settings.register_profile("suite", deadline=None)  # no test depends on speed
settings.load_profile("suite")

MIGRATIONS = Path(__file__).parents[1] / "migrations"


def migrating_app(url: str) -> Flask:
    """An application with no more than migrations need, for the database at `url`."""
    app = Flask("migrations")
    app.config["SQLALCHEMY_DATABASE_URI"] = url.replace("postgresql:", "postgresql+psycopg2:", 1)
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"poolclass": NullPool}
    Migrate(app, SQLAlchemy(app, metadata=Base.metadata), directory=str(MIGRATIONS))
    return app


def upgrade(url: str) -> None:
    """Migrate the database at `url` to the newest revision."""
    upgrade_database(migrating_app(url))


@pytest.fixture(autouse=True, scope="session")
def _structured_logs() -> None:
    """Log as the application does, so that tests can read what an operator would."""
    logs.configure("INFO")


@pytest.fixture(autouse=True, scope="session")
def _nobody_beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Commands find no `make run` that the developer has running in this folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "INSTANCE", tmp_path_factory.mktemp("nobody"))
        yield


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server for the whole run."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """A Valkey server for the whole run."""
    server = EmbeddedValkey(Path(tmp_path_factory.mktemp("valkey")))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def new_database(postgres: EmbeddedPostgres) -> Callable[[str], str]:
    """Creates an empty database of the given name; its libpq URL."""

    def create(name: str) -> str:
        url = postgres.start()
        with closing(psycopg2.connect(url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return url.replace("/postgres?", f"/{name}?", 1)

    return create


@pytest.fixture(scope="session")
def database_url(new_database: Callable[[str], str]) -> str:
    """A database for the whole run, migrated to the newest revision; its libpq URL."""
    url = new_database("detection_api")
    upgrade(url)
    return url


@pytest.fixture
def database(database_url: str) -> str:
    """The same database with every table empty; its libpq URL."""
    every = [*Base.metadata.sorted_tables, *tables.metadata.sorted_tables]
    names = sql.SQL(", ").join(sql.Identifier(table.name) for table in every)
    with (
        closing(psycopg2.connect(database_url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SET LOCAL session_replication_role = replica")  # no triggers
        cursor.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(names))
    return database_url


@pytest.fixture
def unbound_waits() -> Iterator[None]:
    """psycopg2 waits as it does by itself, as in the processes of ingestion and of the demo."""
    callback = extensions.get_wait_callback()
    extensions.set_wait_callback(None)
    yield
    extensions.set_wait_callback(callback)
