"""Clients of the application over a small world, one for each arm."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from detection_api import create_app
from detection_api.dev.embedded import EmbeddedValkey
from detection_api.extensions import canary
from detection_api.rollout.routes import routes_of
from tests.factory import build

Get = Callable[..., TestResponse]
MakeApp = Callable[[Mapping[str, str]], Flask]


@pytest.fixture(scope="session")
def world(
    new_database: Callable[[str], str],
    valkey: EmbeddedValkey,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """A day of two cameras; the environment to read it with."""
    return build(tmp_path_factory.mktemp("world"), new_database("blueprints"), valkey.url)


@pytest.fixture(scope="module")
def app(world: dict[str, str]) -> Iterator[Flask]:
    """The application as gunicorn would make it; the newest one has the connections."""
    made = create_app(world)
    yield made
    canary.stop(made)


@pytest.fixture
def make_app() -> Iterator[MakeApp]:
    """Makes applications with the given environment, and stops them at the end of the test."""
    with ExitStack() as stack:

        def make(environ: Mapping[str, str]) -> Flask:
            made = create_app(environ)
            stack.callback(canary.stop, made)
            return made

        yield make


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(params=["domain", "legacy"])
def arm(request: pytest.FixtureRequest) -> str:
    """Each test with this fixture asks for both implementations."""
    name: str = request.param
    return name


def forced(app: Flask, url: str, arm: str) -> str:
    """Return the `X-Canary` that a client gets who asks for an arm with `force_domain`.

    A finished migration answers every client with its only implementation.
    """
    endpoint, _ = app.url_map.bind("localhost").match(urlsplit(url).path)
    is_finished = routes_of(app)[endpoint].legacy is None
    return "domain; reason=finished" if is_finished else f"{arm}; reason=forced"


@pytest.fixture
def get(app: Flask, client: FlaskClient, arm: str) -> Get:
    """Ask one arm, and insist that it was the one that answered."""

    def ask(path: str, **parameters: Any) -> TestResponse:
        wish = {"domain": "true", "legacy": "false"}[arm]
        response = client.get(path, query_string={**parameters, "force_domain": wish})
        if "X-Canary" in response.headers:
            assert response.headers["X-Canary"] == forced(app, path, arm)
        return response

    return ask
