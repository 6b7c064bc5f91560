"""Real servers for every test that needs one. Each worker starts its own once, and stops it."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg2
import pytest
from hypothesis import settings
from psycopg2 import extensions, sql

from detection_api.canary.state.postgres import tables
from detection_api.cli import environment
from detection_api.dev.embedded import EmbeddedPostgres, EmbeddedValkey
from detection_api.models.base import Base
from detection_api.telemetry import logs
from tests.clusters import MIGRATED, Clusters, create_database, shared_folder

settings.register_profile("suite", deadline=None)  # no test depends on speed
settings.load_profile("suite")

TEMPORARY = pytest.StashKey[str]()
"""The folder that this run has made for its temporary files."""


@pytest.hookimpl(tryfirst=True)  # before the plugin that reads the option
def pytest_configure(config: pytest.Config) -> None:
    """Keep temporary files outside the folder that all runs of pytest share, but share bytecode.

    Each run that starts closes that folder to other users. PostgreSQL's is another one if the
    tests run as root, so that it would lose its data.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each process compiles everything again
    if config.option.basetemp is None:
        config.option.basetemp = config.stash[TEMPORARY] = tempfile.mkdtemp(prefix="detection-api-")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remove the temporary files of a run that passed."""
    if exitstatus == pytest.ExitCode.OK and TEMPORARY in session.config.stash:
        shutil.rmtree(session.config.stash[TEMPORARY], ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def _structured_logs() -> None:
    """Log as the application does, so that tests can read what an operator would."""
    logs.configure("INFO")


@pytest.fixture(autouse=True, scope="session")
def _nobody_beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Commands find no `make run` that the developer has running in this folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "INSTANCE", tmp_path_factory.mktemp("nobody"))
        yield


@pytest.fixture(scope="session")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Clusters:
    """Makes PostgreSQL clusters for tests that need one of their own."""
    return Clusters(shared_folder(tmp_path_factory.getbasetemp()))


@pytest.fixture(scope="session")
def postgres(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedPostgres]:
    """The PostgreSQL server of this worker."""
    server = clusters.create(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """The Valkey server of this worker."""
    server = EmbeddedValkey(Path(tmp_path_factory.mktemp("valkey")))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def new_database(postgres: EmbeddedPostgres) -> Callable[[str], str]:
    """Creates an empty database of the given name; its libpq URL."""
    return partial(create_database, postgres.start())


@pytest.fixture(scope="session")
def migrated_database(postgres: EmbeddedPostgres) -> Callable[[str], str]:
    """Creates a database of the given name at the newest revision; its libpq URL."""
    return partial(create_database, postgres.start(), template=MIGRATED)


@pytest.fixture(scope="session")
def database_url(migrated_database: Callable[[str], str]) -> str:
    """This worker's database at the newest revision; its libpq URL."""
    return migrated_database("detection_api")


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
