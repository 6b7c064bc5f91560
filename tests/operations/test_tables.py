"""One call creates the tables that applications without these migrations need."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2

from detection_api.canary.state.postgres import metadata
from detection_api.operations import create_tables
from detection_api.operations.tables import OPERATORS

TABLES = sorted([*metadata.tables, *(table.name for table in OPERATORS)])
PARTS = (
    """
    SELECT table_name, column_name, data_type, is_nullable, column_default
    FROM information_schema.columns WHERE table_name = ANY(%s)
    """,
    """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE conrelid::regclass::text = ANY(%s)
    """,
    "SELECT tablename, indexdef FROM pg_indexes WHERE tablename = ANY(%s)",
    """
    SELECT tgrelid::regclass::text, pg_get_triggerdef(oid), tgfoid::regproc::text
    FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text = ANY(%s)
    """,
)


def schema_of(url: str) -> list[set[tuple[Any, ...]]]:
    """What PostgreSQL says of the tables: columns, constraints, indexes, triggers."""
    found = []
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        for part in PARTS:
            cursor.execute(part, [TABLES])
            found.append(set(cursor))
    return found


def test_the_tables_are_those_that_the_migrations_make(
    empty: str, migrated_database: Callable[[str], str]
) -> None:
    create_tables(empty)
    made, migrated = schema_of(empty), schema_of(migrated_database("migrated_shop"))
    assert {column[0] for column in made[0]} == set(TABLES)
    for ours, theirs in zip(made, migrated, strict=True):
        assert ours == theirs


def test_tables_that_exist_stay_as_they_are(empty: str) -> None:
    create_tables(empty)
    with closing(psycopg2.connect(empty)) as connection, connection:
        connection.cursor().execute("INSERT INTO rollout_state (endpoint, percent) VALUES ('*', 7)")
    create_tables(empty)
    with closing(psycopg2.connect(empty)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT percent FROM rollout_state")
        assert cursor.fetchall() == [(7.0,)]
