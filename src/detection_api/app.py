"""Joins the parts into an application; the only place that does."""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import psycopg2
from flask import Flask

from detection_api import __version__, console, legacy, models
from detection_api.blueprints import cameras, monitoring, records, rollout, statistics
from detection_api.canary.serving import SETTLE, CanarySettings
from detection_api.canary.state.postgres import SESSION_SETTINGS, PostgresStore
from detection_api.config import Settings, fail_safe, read_environ
from detection_api.db import (
    LOOK_DEADLINE,
    LOOK_HOLDS,
    READ_ONLY,
    Pool,
    Reads,
    Replicated,
    Watch,
    bound_waits,
    decode_json_exactly,
)
from detection_api.errors import DetectionError
from detection_api.extensions import cache, canary, db, migrate, primary, reader
from detection_api.rollout.lock import is_held
from detection_api.services.tokens import Tokens
from detection_api.telemetry import logs, process_metrics
from detection_api.web import auth, openapi, problems
from detection_api.web.application import Application
from detection_api.web.throttle import Throttle

STORE_DEADLINE = 1.0
"""Seconds that one statement of the canary's store may take; no request waits for it."""
TOKENS_DEADLINE = 1.0
"""Seconds that reading the operators' tokens may take."""
OPERATORS_DEADLINE = 5.0
"""Seconds that an operator's statement may take: a server is busy when a rollback is needed."""
BLUEPRINTS = (records.blp, statistics.blp, cameras.blp, monitoring.blp, rollout.blp)


def create(environ: Mapping[str, str] | None = None) -> Flask:
    """See `detection_api.create_app`."""
    logs.configure("INFO")
    environ = read_environ() if environ is None else environ
    settings, environ = fail_safe(environ)
    logs.configure(settings.log_level)
    app = Application(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions["settings"] = settings
    _connect(app, settings)
    logs.init_app(app)
    auth.init_app(app, Tokens(_tokens_pool(settings).connection), _throttle())
    operators = _operators_pool(settings)
    app.extensions["rollout"] = PostgresStore(operators.connection)
    app.extensions["is_driven"] = partial(is_held, operators.connection)
    api = openapi.Api()
    openapi.init_app(app, api, __version__)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
    overrides = replace(CanarySettings.from_environ(environ), settle=_settle(settings))
    canary.init_app(
        app,
        overrides,
        answers=(DetectionError,),
        store=_store(settings),
        identify=auth.identify,
        request_id=logs.request_id,
        vitals=process_metrics.measure,
    )
    problems.init_app(app)
    with app.app_context():
        runtime = canary.runtime
    console.init_app(app, operators, runtime.endpoints, runtime.overrides)
    return app


def _connect(app: Flask, settings: Settings) -> None:
    """Tell every part where its data is; nobody connects before the first request."""
    assert models, "registers the tables with the metadata that migrations compare"
    app.config["SQLALCHEMY_DATABASE_URI"] = "postgresql+psycopg2://"
    # libpq reads the URL itself: SQLAlchemy would refuse one with several hosts.
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "creator": lambda: psycopg2.connect(settings.database_url)
    }
    db.init_app(app)
    migrate.init_app(app, db)
    bound_waits()
    decode_json_exactly()
    deadline = settings.domain_deadline_ms / 1000
    pool = _pool("domain", settings.database_url, settings.domain_pool_size, deadline)
    primary.pool = pool
    reader.pool = _replicated(pool, settings) if settings.database_read_url else pool
    cache.init_app(app, settings.cache_url, settings.cache_ttl_s)
    legacy.configure(settings)


def _replicated(pool: Pool, settings: Settings) -> Reads:
    """The domain's `pool`, and a replica in front of it."""
    watch = Watch(
        _pool("watch_primary", settings.database_url, 1, LOOK_DEADLINE),
        _pool("watch_replica", settings.database_read_url, 1, LOOK_DEADLINE),
        limit=settings.replica_lag_limit_s,
    )
    url, size = settings.database_read_url, settings.domain_pool_size
    return Replicated(pool, _pool("replica", url, size, pool.deadline), watch)


def _pool(name: str, url: str, size: int, deadline: float) -> Pool:
    """A pool that never writes, and is watched."""
    pool = Pool(
        url,
        size=size,
        deadline=deadline,
        name=f"detection-api {name}",
        settings=READ_ONLY,
    )
    process_metrics.watch(name, pool)
    return pool


def _settle(settings: Settings) -> float:
    """Seconds by which one arm may see a change later than the other."""
    lag = settings.replica_lag_limit_s + LOOK_HOLDS if settings.database_read_url else 0
    return SETTLE + lag + settings.cache_ttl_s


def _store(settings: Settings) -> PostgresStore:
    """The canary's store, over a session of its own."""
    pool = Pool(
        settings.database_url,
        size=1,
        deadline=STORE_DEADLINE,
        name="detection-api canary",
        settings=SESSION_SETTINGS,
    )
    process_metrics.watch("canary", pool)
    return PostgresStore(pool.connection)


def _tokens_pool(settings: Settings) -> Pool:
    """A connection that operators' tokens are read by."""
    pool = Pool(
        settings.database_url,
        size=1,
        deadline=TOKENS_DEADLINE,
        name="detection-api tokens",
        settings=READ_ONLY,
    )
    process_metrics.watch("tokens", pool)
    return pool


def _operators_pool(settings: Settings) -> Pool:
    """Connections for operators alone: nothing that serves clients waits for them."""
    pool = Pool(
        settings.database_url,
        size=2,
        deadline=OPERATORS_DEADLINE,
        name="detection-api operators",
        settings={},
    )
    process_metrics.watch("operators", pool)
    return pool


def _throttle() -> Throttle:
    """What counts wrong tokens, over all workers of this instance where it has several."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Throttle(Path(folder, "throttle") if folder else None)
