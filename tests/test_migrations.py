"""The migrations: they make what the models declare, and can be taken back."""

from collections.abc import Callable
from contextlib import closing
from datetime import date
from threading import Thread

import flask_migrate
import psycopg2

from detection_api import partitions, schema
from tests.conftest import migrating_app


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
    app = migrating_app(url)
    schema.upgrade(app)
    upgraded = _tables(url)
    with app.app_context():
        flask_migrate.downgrade(revision="base")
    assert _tables(url) == {"alembic_version"}
    schema.upgrade(app)
    assert _tables(url) == upgraded


def test_two_hosts_that_upgrade_at_once_both_succeed(new_database: Callable[[str], str]) -> None:
    url = new_database("two_hosts")
    succeeded = []

    def upgrade() -> None:
        schema.upgrade(migrating_app(url))
        succeeded.append(True)

    hosts = [Thread(target=upgrade) for _ in range(2)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join()
    assert succeeded == [True, True]
