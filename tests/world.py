"""The same facts in every shape that the implementations read, and one way to ask both."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg2
import pytest
from flask import Flask
from psycopg2 import extensions, sql
from psycopg2.extras import Json, execute_values

from detection_api import legacy
from detection_api.canary.contract.encoder import Contract
from detection_api.config import Settings
from detection_api.db.pool import READ_ONLY, Pool, bound_waits
from detection_api.db.reader import decode_json_exactly
from detection_api.extensions import cache, reader
from detection_api.ingest import camera_statistics
from detection_api.ingest import cameras as ingest_cameras
from detection_api.ingest.events import Ingestion
from detection_api.legacy import cameras as legacy_cameras
from detection_api.legacy import records as legacy_records
from detection_api.legacy import statistics as legacy_statistics
from detection_api.legacy.sources import sources
from detection_api.models.base import Base
from detection_api.schemas.cameras import CameraListSchema, CameraStatsSchema
from detection_api.schemas.records import RecordPageSchema, ViolationSchema
from detection_api.schemas.statistics import DailyCountSchema, EventPageSchema, HistoryItemSchema
from detection_api.services import cameras, records, statistics

NOW = datetime(2025, 10, 31, 9, 15, tzinfo=UTC)
"""A time in the middle of an hour, a day and a month."""

ARMS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "domain": {
        "detection_records": records.detection_records,
        "violation": records.violation,
        "daily": statistics.daily,
        "events": statistics.events,
        "history": statistics.history,
        "cameras": cameras.cameras,
        "camera_stats": cameras.camera_stats,
    },
    "legacy": {
        "detection_records": legacy_records.detection_records,
        "violation": legacy_records.violation,
        "daily": legacy_statistics.daily,
        "events": legacy_statistics.events,
        "history": legacy_statistics.history,
        "cameras": legacy_cameras.cameras,
        "camera_stats": legacy_cameras.camera_stats,
    },
}

CONTRACTS: Mapping[str, Contract] = {
    "detection_records": Contract(RecordPageSchema),
    "violation": Contract(ViolationSchema),
    "daily": Contract(DailyCountSchema(many=True)),
    "events": Contract(EventPageSchema),
    "history": Contract(HistoryItemSchema(many=True)),
    "cameras": Contract(CameraListSchema),
    "camera_stats": Contract(CameraStatsSchema),
}


class World:
    """A database, an event log and a camera file that both arms are configured to read."""

    def __init__(self, database_url: str, folder: Path, *, redis_url: str = "") -> None:
        self.database_url = database_url
        self.log = folder / "events.jsonl"
        self.cameras_file = folder / "cameras.yaml"
        self.redis_url = redis_url
        bound_waits()
        decode_json_exactly()
        cache.init_app(Flask("world"), url="", ttl=0)
        self.configure()

    def configure(self, **variables: str) -> None:
        """Point both arms at this world, with these settings beside its own."""
        settings = Settings.from_environ(
            {
                "DATABASE_URL": self.database_url,
                "EVENTS_LOG": str(self.log),
                "CAMERAS_FILE": str(self.cameras_file),
                "REDIS_URL": self.redis_url,
                "DOMAIN_POOL_SIZE": "1",
                "LEGACY_POOL_SIZE": "1",
                **variables,
            }
        )
        legacy.configure(settings)
        self.pool = reader.pool = Pool(
            settings.database_url,
            size=settings.domain_pool_size,
            deadline=settings.domain_deadline_ms / 1000,
            name="detection-api domain",
            settings=READ_ONLY,
        )

    def close(self) -> None:
        """Disconnect both arms, and let psycopg2 wait as it does by itself."""
        extensions.set_wait_callback(None)
        self.pool.dispose()
        sources.pool.dispose()
        sources.live.stop()

    def clear(self) -> None:
        """Forget everything, as a new world would."""
        with self._cursor() as cursor:
            names = [sql.Identifier(table.name) for table in Base.metadata.sorted_tables]
            cursor.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(names)))
        self.log.unlink(missing_ok=True)
        self.configure()

    def insert(self, table: str, *rows: Mapping[str, Any]) -> None:
        """Store rows as a detector does; all have the columns of the first."""
        columns = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
        statement = sql.SQL("INSERT INTO {} ({}) VALUES %s").format(sql.Identifier(table), columns)
        values = [[_adapt(row[column]) for column in rows[0]] for row in rows]
        with self._cursor() as cursor:
            execute_values(cursor, statement.as_string(cursor), values)

    def log_events(self, *lines: Mapping[str, Any] | bytes) -> None:
        """Append lines to the event log, as they are or as JSON, and ingest them."""
        encoded = (x if isinstance(x, bytes) else msgspec.json.encode(x) for x in lines)
        with self.log.open("ab") as log:
            log.writelines(line + b"\n" for line in encoded)
        with unbound_waits(), Ingestion.open(self.database_url, self.log) as ingestion:
            while ingestion.step(NOW):
                pass

    def write_cameras(self, content: str) -> None:
        """Write the camera file and ingest it."""
        self.cameras_file.write_text(content, encoding="utf-8")
        ingest_cameras.sync(self.database_url, self.cameras_file)

    def publish(self, message: Mapping[str, Any] | bytes) -> None:
        """Have both arms' subscribers receive a message."""
        payload = message if isinstance(message, bytes) else msgspec.json.encode(message)
        sources.live.receive(payload)
        row = camera_statistics.parse(payload)
        if row is not None:
            with closing(camera_statistics.LatestStatistics(self.database_url)) as latest:
                latest.add(row)
                latest.write(math.inf)

    @contextmanager
    def _cursor(self) -> Iterator[extensions.cursor]:
        connection = psycopg2.connect(self.database_url)
        with closing(connection), connection, connection.cursor() as cursor:
            yield cursor

    def ask(self, arm: str, endpoint: str, **arguments: Any) -> Any:
        """What a client gets from `arm`, as JSON decodes it."""
        return json.loads(self.encoded(arm, endpoint, **arguments))

    def encoded(self, arm: str, endpoint: str, **arguments: Any) -> bytes:
        """What a client gets from `arm`, in bytes."""
        return CONTRACTS[endpoint].encode(ARMS[arm][endpoint](**arguments))


def _adapt(value: Any) -> Any:
    return Json(value) if isinstance(value, dict) else value


@contextmanager
def unbound_waits() -> Iterator[None]:
    """Ingest as its own process does, where waits have no deadlines and COPY is available."""
    extensions.set_wait_callback(None)
    yield
    bound_waits()


@pytest.fixture
def world(database: str, tmp_path: Path) -> Iterator[World]:
    """An empty world."""
    world = World(database, tmp_path)
    yield world
    world.close()


def event(ts: float, **fields: Any) -> dict[str, Any]:
    """An event log entry at `ts`."""
    return {"ts": ts, "type": "NO_HAIRNET", "camera_id": "cam0", **fields}
