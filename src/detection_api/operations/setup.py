"""Joins the store, tokens, console and metrics to an application: read `init_app`."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

from flask import Flask

from detection_api import console
from detection_api.canary import Canary, CanarySettings
from detection_api.canary.state.postgres import SESSION_SETTINGS, PostgresStore
from detection_api.db import READ_ONLY, Pool, bound_waits
from detection_api.rollout.extension import Rollout
from detection_api.services.tokens import Tokens
from detection_api.telemetry import process_metrics
from detection_api.telemetry.exposition import exposition
from detection_api.web import auth
from detection_api.web.throttle import Throttle

STORE_DEADLINE = 1.0
"""Seconds that one statement of the canary's store may take; no request waits for it."""
TOKENS_DEADLINE = 1.0
"""Seconds that reading the operators' tokens may take."""
OPERATORS_DEADLINE = 5.0
"""Seconds that an operator's statement may take: a server is busy when a rollback is needed."""
METRICS = "/metrics"


def init_app(
    app: Flask,
    canary: Canary,
    *,
    database_url: str,
    settings: CanarySettings,
    answers: tuple[type[Exception], ...] = (),
    request_id: Callable[[], str] = lambda: uuid4().hex,
    program: str | None = None,
) -> None:
    """Make the canary of `app` and all that its operators need; call it after routes are added.

    The canary's state is in PostgreSQL at `database_url` (libpq's), the console is at /console,
    and /metrics is added unless `app` has a route of that name. The commands are
    `flask --app ... rollout`. `settings` are what the environment sets. `answers` and
    `request_id` are those of `Canary.init_app`, `program` is that of `Rollout`. Nothing connects
    before the first request.

    Deadlines need psycopg2's wait callback, so COPY through psycopg2 is unavailable in the process.
    Raises what `Canary.init_app` raises.
    """
    bound_waits()
    tokens = Tokens(_pool("tokens", database_url, 1, TOKENS_DEADLINE, READ_ONLY).connection)
    auth.init_app(app, tokens, _throttle())
    store = _pool("canary", database_url, 1, STORE_DEADLINE, SESSION_SETTINGS)
    canary.init_app(
        app,
        settings,
        answers=answers,
        store=PostgresStore(store.connection),
        identify=auth.identify,
        request_id=request_id,
        vitals=process_metrics.measure,
        calls_folder=_shared("calls"),
    )
    with app.app_context():
        runtime = canary.runtime
    operators = _pool("operators", database_url, 2, OPERATORS_DEADLINE)
    app.extensions["rollout"] = Rollout(
        database_url=database_url,
        connect=operators.connection,
        store=PostgresStore(operators.connection),
        endpoints=runtime.endpoints,
        settings=runtime.overrides,
        program=program,
    )
    console.init_app(app)
    if METRICS not in (rule.rule for rule in app.url_map.iter_rules()):
        app.add_url_rule(METRICS, "metrics", exposition)


def _pool(
    name: str,
    url: str,
    size: int,
    deadline: float,
    session: Mapping[str, str] = MappingProxyType({}),
) -> Pool:
    """Return a pool for operators or the canary alone, which process metrics cover."""
    pool = Pool(url, size=size, deadline=deadline, name=f"detection-api {name}", settings=session)
    process_metrics.watch(name, pool)
    return pool


def _throttle() -> Throttle:
    """Return a counter of wrong tokens, shared by all workers of an instance that has several."""
    return Throttle(_shared("throttle"))


def _shared(name: str) -> Path | None:
    """Return the folder `name` that the workers of an instance share; None if it has only one."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(folder, name) if folder else None
