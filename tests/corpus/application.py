"""The corpus' application: five canaried endpoints, whose arms ask the simulation."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from flask import Flask, current_app
from werkzeug.exceptions import NotFound

from detection_api.canary import Arm, Canary, CanarySettings, Store
from detection_api.web import openapi
from detection_api.web.application import Application
from tests.corpus import schemas

EXTENSION = "corpus"
canary = Canary()


class Implementations(Protocol):
    """Runs the arms of an endpoint."""

    def answer(self, arm: Arm, endpoint: str, arguments: dict[str, Any]) -> Any:
        """Return what an arm answers."""

    def vitals(self) -> Mapping[str, float]:
        """Return what a worker measures of itself."""


def _arm(arm: Arm, endpoint: str) -> Callable[..., Any]:
    def run(**arguments: Any) -> Any:
        found = cast(Implementations, current_app.extensions[EXTENSION])
        return found.answer(arm, endpoint, arguments)

    return run


def _canaried(endpoint: str, schema: Any) -> Any:
    return canary(
        domain=_arm(Arm.DOMAIN, endpoint), legacy=_arm(Arm.LEGACY, endpoint), schema=schema
    )


def _declare(blueprint: openapi.Blueprint) -> None:
    @blueprint.get("/records/<camera_id>")
    @blueprint.arguments(schemas.CameraPathSchema, location="path", as_kwargs=True)
    @blueprint.arguments(schemas.RecordsQuerySchema, location="query", as_kwargs=True)
    @blueprint.response(200)
    @_canaried("records", schemas.RecordPageSchema)
    def records() -> None:
        """Rows of one camera, newest first."""

    @blueprint.get("/cameras")
    @blueprint.arguments(schemas.CamerasQuerySchema, location="query", as_kwargs=True)
    @blueprint.response(200)
    @_canaried("cameras", schemas.CameraListSchema)
    def cameras() -> None:
        """Cameras with their live counters."""

    @blueprint.get("/cameras/<camera_id>/stats")
    @blueprint.arguments(schemas.CameraPathSchema, location="path", as_kwargs=True)
    @blueprint.response(200)
    @_canaried("stats", schemas.CameraSchema)
    def stats() -> None:
        """Live counters of one camera."""

    @blueprint.get("/daily")
    @blueprint.arguments(schemas.DailyQuerySchema, location="query", as_kwargs=True)
    @blueprint.response(200)
    @_canaried("daily", schemas.DaySchema(many=True))
    def daily() -> None:
        """Events by day."""

    @blueprint.get("/violations/<int:number>")
    @blueprint.response(200)
    @_canaried("violation", schemas.ViolationSchema)
    def violation() -> None:
        """One violation."""


def create(
    implementations: Implementations,
    settings: CanarySettings,
    store: Store,
    request_id: Callable[[], str],
) -> Flask:
    """Return the application with these arms, settings and store."""
    app = Application("corpus")
    api, blueprint = openapi.Api(), openapi.Blueprint("corpus", "corpus")
    _declare(blueprint)
    openapi.init_app(app, api, "0")
    api.register_blueprint(blueprint)
    app.extensions[EXTENSION] = implementations
    canary.init_app(
        app,
        settings,
        answers=(NotFound,),
        store=store,
        request_id=request_id,
        vitals=implementations.vitals,
    )
    return app
