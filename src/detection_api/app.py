"""Joins the parts into an application; no other module does."""

from collections.abc import Mapping
from dataclasses import replace

import psycopg2
from flask import Flask

from detection_api import __version__, legacy, models, operations
from detection_api.blueprints import cameras, monitoring, records, rollout, statistics
from detection_api.canary.serving import SETTLE, CanarySettings
from detection_api.config import Settings, fail_safe, read_environ
from detection_api.db import (
    CHECK_TIMEOUT,
    CHECK_VALID_FOR,
    READ_ONLY,
    Pool,
    Reads,
    Replicated,
    Watch,
    bound_waits,
    decode_json_exactly,
    init_migrations,
)
from detection_api.errors import DetectionError
from detection_api.extensions import cache, canary, db, primary, reader
from detection_api.telemetry import logs, process_metrics
from detection_api.web import openapi, problems
from detection_api.web.application import Application

BLUEPRINTS = (records.blp, statistics.blp, cameras.blp, monitoring.blp, rollout.blp)


def routing() -> Flask:
    """Return an application that knows every route and cannot serve any."""
    app = Flask(__name__)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app


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
    api = openapi.Api()
    openapi.init_app(app, api, __version__)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
    overrides = replace(CanarySettings.from_environ(environ), settle=_settle(settings))
    operations.init_app(
        app,
        canary,
        database_url=settings.database_url,
        settings=overrides,
        answers=(DetectionError,),
        request_id=logs.request_id,
        program="detection-api",
    )
    problems.init_app(app)
    return app


def _connect(app: Flask, settings: Settings) -> None:
    """Give every part its database; none connects before the first request."""
    assert models, "registers the tables with the metadata that migrations compare"
    app.config["SQLALCHEMY_DATABASE_URI"] = "postgresql+psycopg2://"
    # libpq reads the URL itself: SQLAlchemy would refuse one with several hosts.
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "creator": lambda: psycopg2.connect(settings.database_url)
    }
    db.init_app(app)
    init_migrations(app, db)
    bound_waits()
    decode_json_exactly()
    deadline = settings.domain_deadline_ms / 1000
    pool = _pool("domain", settings.database_url, settings.domain_pool_size, deadline)
    primary.pool = pool
    reader.pool = _replicated(pool, settings) if settings.database_read_url else pool
    cache.init_app(app, settings.cache_url, settings.cache_ttl_s)
    legacy.configure(settings)


def _replicated(pool: Pool, settings: Settings) -> Reads:
    """Return the domain's `pool`, behind a replica if there is one."""
    watch = Watch(
        _pool("watch_primary", settings.database_url, 1, CHECK_TIMEOUT),
        _pool("watch_replica", settings.database_read_url, 1, CHECK_TIMEOUT),
        limit=settings.replica_lag_limit_s,
    )
    url, size = settings.database_read_url, settings.domain_pool_size
    return Replicated(pool, _pool("replica", url, size, pool.deadline), watch)


def _pool(name: str, url: str, size: int, deadline: float) -> Pool:
    """Return a read-only pool that process metrics cover."""
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
    """Return the seconds by which one arm may see a change later than the other."""
    lag = settings.replica_lag_limit_s + CHECK_VALID_FOR if settings.database_read_url else 0
    return SETTLE + lag + settings.cache_ttl_s
