"""The migrations: they make what the models declare, and can be taken back."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import flask_migrate
import psycopg2

from detection_api.db import partitions
from tests.conftest import migrating_app, upgrade
from tests.factory import COMMAND
from tests.ingest.support import query, wait_until

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('detection-api migrations', 0))"
UPGRADE = """
import sys
from tests.conftest import upgrade
upgrade(sys.argv[1])
"""


def _tables(url: str) -> set[str]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {table for (table,) in cursor.fetchall()}


def test_models_and_migrations_declare_the_same_tables(database_url: str) -> None:
    """Whatever partitions there are; the log names each difference."""
    with closing(psycopg2.connect(database_url)) as connection:
        connection.autocommit = True
        partitions.create(connection, "events", date(2026, 11, 1))
    with migrating_app(database_url).app_context():
        flask_migrate.check()


def test_upgrade_downgrade_and_upgrade_again_run_clean(new_database: Callable[[str], str]) -> None:
    url = new_database("there_and_back")
    upgrade(url)
    upgraded = _tables(url)
    with migrating_app(url).app_context():
        flask_migrate.downgrade(revision="base")
    assert _tables(url) == {"alembic_version"}
    upgrade(url)
    assert _tables(url) == upgraded


def test_the_command_migrates_from_whatever_folder_it_is_given_in(
    new_database: Callable[[str], str], tmp_path: Path
) -> None:
    url = new_database("from_another_folder")
    environ = {**os.environ, "DATABASE_URL": url}
    subprocess.run([COMMAND, "db", "upgrade"], cwd=tmp_path, env=environ, check=True)
    assert "events" in _tables(url)


def test_a_host_waits_while_another_one_migrates(new_database: Callable[[str], str]) -> None:
    url = new_database("two_hosts")
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with closing(psycopg2.connect(url)) as other, other.cursor() as cursor:
        cursor.execute(LOCK)
        host = subprocess.Popen([sys.executable, "-c", UPGRADE, url])
        wait_until(lambda: query(url, waiting) != [])
        assert "events" not in _tables(url)
        other.commit()
        assert host.wait(timeout=60) == 0
    assert "events" in _tables(url)
