"""The same facts in every form that the implementations read, and one way to ask them all."""

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
from detection_api.app import routing
from detection_api.canary.serving import Route
from detection_api.config import Settings
from detection_api.db.pool import READ_ONLY, Pool, bound_waits
from detection_api.db.reader import decode_json_exactly
from detection_api.errors import NotFoundError
from detection_api.extensions import cache, reader
from detection_api.ingest import camera_statistics
from detection_api.ingest import cameras as ingest_cameras
from detection_api.ingest.events import Ingestion
from detection_api.legacy.sources import sources
from detection_api.models.base import Base
from detection_api.rollout.routes import routes_of
from detection_api.rollout.verification.substance import has_data
from detection_api.web.parameters import Parameter, parameters_of

NOW = datetime(2025, 10, 31, 9, 15, tzinfo=UTC)
"""A time in the middle of an hour, a day and a month."""


_APP = routing()
ROUTES: Mapping[str, Route] = routes_of(_APP)
"""The canaried routes of the application by endpoint, as `statistics.daily`."""
RULES: Mapping[str, str] = {
    rule.endpoint: rule.rule for rule in _APP.url_map.iter_rules() if rule.endpoint in ROUTES
}
"""Their URL rules."""
PARAMETERS: Mapping[str, tuple[Parameter, ...]] = {
    endpoint: parameters_of(_APP.view_functions[endpoint]) for endpoint in ROUTES
}
"""Their parameters."""


def arms(endpoint: str) -> dict[str, Callable[..., Any]]:
    """Return the implementations of an endpoint: one if its migration is finished, else both."""
    route = ROUTES[endpoint]
    domain: dict[str, Callable[..., Any]] = {"domain": route.domain}
    return {**domain, "legacy": route.legacy} if route.legacy else domain


def shows_data(endpoint: str, body: object) -> bool:
    """Return whether an answer says more than that there is nothing."""
    echoed = frozenset(parameter.name for parameter in PARAMETERS[endpoint])
    return has_data(ROUTES[endpoint].contract.schema, body, echoed)


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

    def ask(self, endpoint: str, **arguments: Any) -> Any:
        """Return the answer of an endpoint as JSON decodes it; every arm has to give the same.

        Raises the NotFoundError that every arm raised.
        """
        outcomes = {arm: self._outcome(endpoint, arm, arguments) for arm in arms(endpoint)}
        answer = outcomes["domain"]
        assert all(_same(answer, outcome) for outcome in outcomes.values()), outcomes
        if isinstance(answer, NotFoundError):
            raise answer
        return json.loads(answer)

    def _outcome(
        self, endpoint: str, arm: str, arguments: Mapping[str, Any]
    ) -> bytes | NotFoundError:
        try:
            return ROUTES[endpoint].contract.encode(arms(endpoint)[arm](**arguments))
        except NotFoundError as error:
            return error


def _same(one: bytes | NotFoundError, other: bytes | NotFoundError) -> bool:
    return type(one) is type(other) and (one == other or str(one) == str(other))


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
