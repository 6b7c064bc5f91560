"""A small factory on servers of its own, which the tests stop and start."""

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import yaml
from flask_migrate import upgrade
from psycopg2.extras import execute_values

from detection_api import create_app
from detection_api.dev.embedded import EmbeddedPostgres, EmbeddedValkey

CAMERAS = ("cam0", "vid1")
COMMAND = Path(sys.executable).parent / "detection-api"


@dataclass(frozen=True, slots=True)
class World:
    """The servers, and the environment that an instance needs to read the world."""

    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    environ: dict[str, str]

    @property
    def database_url(self) -> str:
        return self.environ["DATABASE_URL"]


def build(folder: Path, database_url: str, redis_url: str) -> dict[str, str]:
    """Write a day of two cameras through the detectors' formats and ingest it."""
    log, cameras = folder / "events_record.jsonl", folder / "cameras.yaml"
    environ = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "EVENTS_LOG": str(log),
        "CAMERAS_FILE": str(cameras),
        "CACHE_TTL_S": "0",  # a fault of PostgreSQL is seen at once
    }
    now = datetime.now(UTC)
    _write_log(log, now)
    _write_cameras(cameras)
    with create_app(environ).app_context():
        upgrade()
    _write_rows(database_url, now)
    for command in (["events", str(log)], ["cameras", str(cameras)]):
        subprocess.run(
            [COMMAND, "ingest", *command],
            env=environ,
            check=True,
            capture_output=True,
        )
    return environ


def _write_log(path: Path, now: datetime) -> None:
    with path.open("w") as log:
        for minute in range(600, 0, -1):
            event = {
                "ts": (now - timedelta(minutes=minute)).timestamp(),
                "type": ("NO_HAIRNET_AT_SINK", "HANDWASH_COMPLETED")[minute % 2],
                "camera_id": CAMERAS[minute % 3 == 0],
                "track_id": minute,
                "evidence": {"confidence": 0.9, "region": "sink"},
            }
            log.write(json.dumps(event) + "\n")


def _write_cameras(path: Path) -> None:
    first, second = CAMERAS
    cameras = [
        {"id": first, "fps": 25.0, "env": {"PASSWORD": "hunter2"}},
        {"id": second, "active": False},
    ]
    path.write_text(yaml.safe_dump({"cameras": cameras}))


def _write_rows(database_url: str, now: datetime) -> None:
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        execute_values(
            cursor,
            "INSERT INTO detection_records (timestamp, camera_id, person_count, fps) VALUES %s",
            [(now - timedelta(seconds=n), CAMERAS[n % 2], n % 5, 24.5) for n in range(1000)],
        )
        execute_values(
            cursor,
            "INSERT INTO violation_events (timestamp, camera_id, violation_type, confidence)"
            " VALUES %s",
            [(now - timedelta(minutes=n), CAMERAS[n % 2], "no_hairnet", 0.8) for n in range(20)],
        )
        cursor.execute(
            "INSERT INTO camera_statistics VALUES ('cam0', now(), 100, 100, 3, 1, 2, 24.8, 0.021)"
        )
    connection.close()
