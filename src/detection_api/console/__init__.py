"""The operators' page at /console: how the rollout stands, live, and changes to it."""

from collections.abc import Collection
from functools import partial

from flask import Blueprint, Flask

from detection_api.canary.overrides import Overrides
from detection_api.canary.postgres_store import PostgresStore
from detection_api.console import access, login, orders, pages, words
from detection_api.console.service import Console
from detection_api.console.sessions import Sessions
from detection_api.console.snapshot import Source
from detection_api.postgres import Pool
from detection_api.rollout.lock import is_held


def init_app(app: Flask, pool: Pool, endpoints: Collection[str], overrides: Overrides) -> None:
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
    for part in (access, words, pages, orders, login):
        part.init_app(blueprint)
    app.register_blueprint(blueprint)
    store = PostgresStore(pool.connection)
    sessions = Sessions(pool.connection)
    source = Source(store, endpoints, overrides, partial(is_held, pool.connection))
    app.extensions["console"] = Console.of(store, sessions, source, endpoints)
