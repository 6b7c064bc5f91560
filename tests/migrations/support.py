"""Databases at a revision, rows for every table, and the schema as `pg_dump` writes it."""

import subprocess
from pathlib import Path
from typing import Any

import flask_migrate

from detection_api.db.migrating import MIGRATIONS
from tests.clusters import migrating_app
from tests.ingest.support import query

VERSIONS = sorted(MIGRATIONS.glob("versions/*.py"))
REVISIONS = [path.name.partition("_")[0] for path in VERSIONS]
NOISE = ("--", "\\", "SET ", "SELECT pg_catalog.")
"""How the lines of `pg_dump` start that say nothing about the schema."""
ROWS = {
    "0001": """
INSERT INTO detection_records (timestamp, camera_id, person_count, fps)
VALUES ('2025-10-31T09:15Z', 'cam0', 2, 24.5), ('2025-11-30T23:59:59.999999Z', '区域', 0, NULL);
INSERT INTO violation_events (timestamp, camera_id, violation_type, bbox)
VALUES ('2025-10-31T09:15Z', 'cam0', 'no_hairnet', '{"x": 1, "y": 2}');
INSERT INTO events (timestamp, ts, type, camera_id, confidence, evidence)
VALUES ('2025-10-31T09:15Z', 1761902100.25, 'A', '区域', 0.5, '{"b": 1, "a": 2}');
INSERT INTO hourly_event_counts VALUES ('2025-10-31T09:00Z', '区域', 'A', 3);
INSERT INTO cameras (id, position, name, source, status, active, auto_start)
VALUES ('cam0', 0, 'Sink', 'rtsp://sink', 'active', true, false);
INSERT INTO camera_statistics VALUES ('cam0', '2025-10-31T09:15Z', 100, 99, 3, 2, 1, 24.5, 0.021);
INSERT INTO ingest_checkpoints
VALUES ('/logs/events.jsonl', 18446744073709551615, 1, 'ab', 512, 7, 1, '2025-10-31T09:15Z');
""",
    "0002": """
INSERT INTO rollout_state (endpoint, percent, epoch, by, at)
VALUES ('records.violation', 25, 3, 'anna', '2025-10-31T09:15Z');
UPDATE rollout_state SET status = 'rolled_back', reason = 'slow', epoch = 4, at = now();
INSERT INTO canary_ledger (bucket, worker, endpoint, arm, requests, latency)
VALUES ('2025-10-31T09:15Z', 'w1', 'records.violation', 'domain', 12, '{"7": 12}');
INSERT INTO canary_worker VALUES ('w1', 4, now(), now(), '{}', '{}', '{}');
INSERT INTO canary_mismatch VALUES ('records.violation', '$.id', 'type', 2, 1, now(), now());
INSERT INTO canary_branch VALUES ('records.violation', '200', 9, now());
INSERT INTO canary_accepted_difference (endpoint, path, kind, reason, by, expires_at)
VALUES ('records.violation', '$.id', 'type', 'why', 'anna', now());
""",
    "0003": """
INSERT INTO rollout_state (endpoint, status, epoch, by, at)
VALUES ('statistics.daily', 'held', 1, 'anna', now());
INSERT INTO rollout_event (endpoint, kind, by, reason, epoch, run)
VALUES ('statistics.daily', 'stage', 'anna', '', 1, 17);
""",
    "0004": """
UPDATE canary_ledger SET shadow = '{"9": 4}';
""",
    "0005": """
INSERT INTO operator_token (name, role, digest, created_by)
VALUES ('anna', 'operator', sha256('a'), 'sql');
INSERT INTO rollout_event (endpoint, kind, by, reason, epoch) VALUES ('*', 'grant', 'sql', '', 0);
""",
    "0006": """
INSERT INTO operator_session (digest, token_id, expires_at) VALUES (sha256('b'), 1, now());
""",
}
"""What is written to a database from each revision on."""


def upgrade_to(url: str, revision: str) -> None:
    with migrating_app(url).app_context():
        flask_migrate.upgrade(revision=revision)


def downgrade_to(url: str, revision: str) -> None:
    with migrating_app(url).app_context():
        flask_migrate.downgrade(revision=revision)


def fill(url: str, revision: str) -> None:
    """Insert the rows that a database at `revision` can hold."""
    for since, statements in ROWS.items():
        if since <= revision:
            query(url, statements.replace("%", "%%"))


def tables(url: str) -> set[str]:
    """The tables, without partitions: their rows are their parents'."""
    found = query(
        url,
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
        " AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'",
    )
    return {table for (table,) in found}


def contents(url: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of every table, each as the JSON that PostgreSQL makes of it."""
    return {
        table: [row for (row,) in query(url, f"SELECT to_jsonb(t) FROM {table} t")]
        for table in tables(url)
    }


def schema(url: str, bin_folder: Path) -> str:
    """The schema as `pg_dump` writes it, without comments and settings."""
    command: list[str | Path] = [
        bin_folder / "pg_dump",
        "--schema-only",
        "--no-owner",
        "--dbname",
        url,
    ]
    dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in dump.splitlines() if line and not line.startswith(NOISE))
