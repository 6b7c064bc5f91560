"""The migrations make what the models declare, one host at a time."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import date

import flask_migrate
import psycopg2
import sqlalchemy as sa

from detection_api import models
from detection_api.canary.state.postgres import tables as canary_tables
from detection_api.db import partitions
from detection_api.dev.embedded import EmbeddedPostgres
from detection_api.models.base import Base
from tests.clusters import migrating_app, upgrade
from tests.ingest.support import query, wait_until
from tests.migrations.support import schema, tables

assert models, "importing it registers the tables"

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('detection-api migrations', 0))"
UPGRADE = """
import sys
from tests.clusters import upgrade
upgrade(sys.argv[1])
"""


def _declarations(url: str, postgres: EmbeddedPostgres) -> set[tuple[str, str]]:
    """Each line of the schema with the table that it stands in, "" for outside of one."""
    found, table = set(), ""
    for line in schema(url, postgres.bin).splitlines():
        if line.startswith("CREATE TABLE public."):
            table = line.removeprefix("CREATE TABLE public.").split()[0]
        found.add((table, line.strip(" ,")))
        if line.startswith(")"):
            table = ""
    return found


def test_models_and_migrations_declare_the_same_tables(database_url: str) -> None:
    """Partitions are no difference. The log names each difference."""
    with closing(psycopg2.connect(database_url)) as connection:
        connection.autocommit = True
        partitions.create(connection, "events", date(2026, 11, 1))
    with migrating_app(database_url).app_context():
        flask_migrate.check()


def test_migrations_make_the_schema_that_the_models_make(
    new_database: Callable[[str], str], postgres: EmbeddedPostgres
) -> None:
    """Constraints, identities and the canary's triggers, too; migrations alone make partitions."""
    migrated, declared = new_database("migrated"), new_database("declared")
    upgrade(migrated)
    engine = sa.create_engine(declared.replace("postgresql:", "postgresql+psycopg2:", 1))
    Base.metadata.create_all(engine)
    canary_tables.metadata.create_all(engine)
    engine.dispose()
    by_models = _declarations(declared, postgres)
    by_migrations = _declarations(migrated, postgres)
    assert by_models - by_migrations == set()
    in_tables = {(table, line) for table, line in by_migrations if table in tables(declared)}
    assert in_tables - by_models == set()


def test_a_host_waits_while_another_one_migrates(new_database: Callable[[str], str]) -> None:
    url = new_database("two_hosts")
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with closing(psycopg2.connect(url)) as other, other.cursor() as cursor:
        cursor.execute(LOCK)
        host = subprocess.Popen([sys.executable, "-c", UPGRADE, url])
        wait_until(lambda: query(url, waiting) != [])
        assert "events" not in tables(url)
        other.commit()
        assert host.wait(timeout=60) == 0
    assert "events" in tables(url)
