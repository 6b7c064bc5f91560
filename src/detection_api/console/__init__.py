"""The operators' page at /console: it shows the rollout live and changes it."""

from flask import Blueprint, Flask

from detection_api.console import orders, pages, template_context
from detection_api.console.data.snapshot import Source
from detection_api.console.service import Console
from detection_api.console.session import access, login
from detection_api.console.session.sessions import Sessions
from detection_api.rollout.extension import rollout_of


def init_app(app: Flask) -> None:
    """Add the console to `app`, which must have a rollout."""
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
    rollout = rollout_of(app)
    source = Source(rollout.store, rollout.endpoints, rollout.settings, rollout.is_driven)
    app.extensions["console"] = Console.of(
        rollout.store, Sessions(rollout.connect), source, rollout.endpoints
    )
