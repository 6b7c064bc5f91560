"""A revision makes the same schema forever, and rows survive upgrades and downgrades."""

import ast
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detection_api.dev.embedded import EmbeddedPostgres
from tests.ingest.support import query
from tests.migrations.support import (
    REVISIONS,
    VERSIONS,
    contents,
    downgrade_to,
    fill,
    schema,
    tables,
    upgrade_to,
)

FIRST, NEWEST = REVISIONS[0], REVISIONS[-1]
SCHEMAS = {
    "0001": "1e28d511cc7d",
    "0002": "e71ddd0472ad",
    "0003": "f92fcb6d451a",
    "0004": "ad1b9f742a18",
    "0005": "c9b6fc160414",
    "0006": "981b2a446e64",
    "0007": "0e25c4264859",
    "0008": "4ae431f09c33",
    "0009": "7f6a4750a5fd",
}
"""A hash of the schema after each revision. Add a new revision's; never change another one's."""
LOST = {
    "0002": ("stage",),
    "0004": ("grant",),
}
"""Kinds of events that an older revision has no place for: a downgrade to it deletes them."""

Rows = dict[str, list[dict[str, Any]]]


def _hash(url: str, postgres: EmbeddedPostgres) -> str:
    return hashlib.sha256(schema(url, postgres.bin).encode()).hexdigest()[:12]


def _imports(path: Path) -> set[str]:
    """The packages that the module at `path` imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def _assert_kept(before: Rows, url: str) -> None:
    """Fails unless each row is still there, in the columns that both revisions have."""
    after = contents(url)
    for table in before.keys() & after.keys():
        kept = after[table]
        for row in before[table]:
            shared = row.keys() & kept[0].keys()
            assert {key: row[key] for key in shared} in [
                {key: other[key] for key in shared} for other in kept
            ], f"{table} has lost {row}"


def _without_lost(rows: Rows, revision: str) -> Rows:
    """The rows that a downgrade to `revision` keeps as they are."""
    return {
        table: [
            row
            for row in found
            if row.get("kind") not in LOST.get(revision, ())
            and not (revision == "0002" and row.get("status") == "held")
        ]
        for table, found in rows.items()
    }


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.stem)
def test_a_revision_imports_nothing_that_may_change(path: Path) -> None:
    assert _imports(path) <= {"alembic", "sqlalchemy"}


def test_each_revision_makes_the_schema_that_it_has_always_made(
    new_database: Callable[[str], str], postgres: EmbeddedPostgres
) -> None:
    url = new_database("frozen")
    made = {}
    for revision in REVISIONS:
        upgrade_to(url, revision)
        made[revision] = _hash(url, postgres)
    assert made == SCHEMAS


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_an_upgrade_from_any_revision_keeps_every_row(
    new_database: Callable[[str], str], postgres: EmbeddedPostgres, revision: str
) -> None:
    url = new_database(f"from_{revision}")
    upgrade_to(url, revision)
    fill(url, revision)
    before = contents(url)
    assert all(before.values()), "a table has no row that could get lost"
    upgrade_to(url, "head")
    _assert_kept(before, url)
    assert _hash(url, postgres) == SCHEMAS[NEWEST]
    assert query(url, "SELECT sum(count)::int FROM record_totals") == [(2,)]


def test_a_downgrade_gives_back_each_schema_and_keeps_the_rows(
    new_database: Callable[[str], str], postgres: EmbeddedPostgres
) -> None:
    url = new_database("there_and_back")
    upgrade_to(url, "head")
    fill(url, NEWEST)
    for revision in REVISIONS[-2::-1]:
        before = _without_lost(contents(url), revision)
        downgrade_to(url, revision)
        assert _hash(url, postgres) == SCHEMAS[revision]
        _assert_kept(before, url)
    downgrade_to(url, "base")
    assert tables(url) == set()
    upgrade_to(url, "head")
    assert _hash(url, postgres) == SCHEMAS[NEWEST]


def test_a_held_endpoint_is_active_after_a_downgrade_to_a_revision_without_holds(
    new_database: Callable[[str], str],
) -> None:
    url = new_database("held")
    upgrade_to(url, "0003")
    fill(url, "0003")
    downgrade_to(url, "0002")
    status = "SELECT status FROM rollout_state WHERE endpoint = 'statistics.daily'"
    assert query(url, status) == [("active",)]
