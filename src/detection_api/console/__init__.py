"""The operators' page at /console: how the rollout stands, live, and changes to it."""

from collections.abc import Collection
from functools import partial

from flask import Blueprint, Flask

from detection_api.canary.serving import CanarySettings
from detection_api.canary.state.postgres import PostgresStore
from detection_api.console import orders, pages, template_context
from detection_api.console.data.snapshot import Source
from detection_api.console.service import Console
from detection_api.console.session import access, login
from detection_api.console.session.sessions import Sessions
from detection_api.db import Pool
from detection_api.rollout.lock import is_held


def init_app(app: Flask, pool: Pool, endpoints: Collection[str], overrides: CanarySettings) -> None:
    """Serve the console of `app`, which has these canaried `endpoints`.

    `pool` is for operators alone: neither a client's request nor the canary waits for the console.
    """
    blueprint = Blueprint(
        "console",
        __name__,
        url_prefix="/console",
        template_folder="templates",
        static_folder="static",
    )
    for part in (access, template_context, pages, orders, login):
        part.init_app(blueprint)
    app.register_blueprint(blueprint)
    store = PostgresStore(pool.connection)
    sessions = Sessions(pool.connection)
    source = Source(store, endpoints, overrides, partial(is_held, pool.connection))
    app.extensions["console"] = Console.of(store, sessions, source, endpoints)
