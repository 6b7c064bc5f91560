"""What the blueprint leaves of smorest's and webargs' wrappers around a canaried view."""

import inspect
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import Schema, fields

from detection_api.canary.flask import Canary
from detection_api.canary.serving.settings import CanarySettings
from detection_api.telemetry import logs
from detection_api.web import openapi, problems


class Note(Schema):
    text = fields.String(load_default="nothing")


@pytest.fixture
def app() -> Flask:
    app, api, canary = Flask("notes"), openapi.Api(), Canary()
    notes = openapi.Blueprint("notes", __name__)

    @notes.post("/notes")
    @notes.arguments(Note, location="json", as_kwargs=True)
    @notes.response(200)
    @canary(domain=dict, legacy=None, schema=Note, writes=True)
    def note() -> None:
        """Write a note."""

    logs.init_app(app)
    openapi.init_app(app, api, "1")
    api.register_blueprint(notes)
    canary.init_app(app, CanarySettings.from_environ({"SHADOW_PERCENT": "0"}))
    problems.init_app(app)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_a_write_gets_its_body_whatever_the_query_says(client: FlaskClient) -> None:
    response = client.post("/notes?text=query", json={"text": "body"})
    assert response.get_json() == {"text": "body"}


def test_a_body_that_is_no_json_is_415_and_one_that_is_wrong_422(client: FlaskClient) -> None:
    assert client.post("/notes", data="text=body").status_code == 415
    assert client.post("/notes", json={"text": 1}).get_json()["errors"] == {
        "text": ["Not a valid string."]
    }


def test_tools_can_look_through_the_wrappers_of_a_view(app: Flask) -> None:
    view: Any = app.view_functions["notes.note"]
    assert inspect.unwrap(view).__doc__ == "Write a note."
