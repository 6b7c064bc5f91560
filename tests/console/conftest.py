"""A console over the test database, and clients that are logged in to it."""

import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg2 import extensions

from detection_api import create_app
from detection_api.canary.state.store import Store
from detection_api.db.pool import Pool
from detection_api.extensions import canary
from detection_api.models.tokens import Role
from detection_api.services.tokens import Tokens
from tests.canary.stores import in_postgres

HERE = {"Sec-Fetch-Site": "same-origin"}
PAGES = ("/console/", "/console/endpoints/cameras.cameras", "/console/rollback/*")

LogIn = Callable[[str], FlaskClient]


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """The fleet's store, as workers use it."""
    with in_postgres(database) as stored:
        yield stored.store


@pytest.fixture
def tokens(store: Store, database: str) -> Iterator[Tokens]:
    """The operators' tokens."""
    assert store, "leaves psycopg2's way of waiting as it was"
    pool = Pool(database, size=1, deadline=10, name="tokens", settings={})
    yield Tokens(pool.connection)
    pool.dispose()


@pytest.fixture
def app(store: Store, database: str) -> Iterator[Flask]:
    """The application as gunicorn would make it."""
    assert store, "leaves psycopg2's way of waiting as it was"
    made = create_app({"DATABASE_URL": database})
    yield made
    canary.stop(made)
    extensions.set_wait_callback(None)


@pytest.fixture
def operator(tokens: Tokens) -> str:
    """The token of an operator named night."""
    return tokens.create("night", Role.OPERATOR, by="test")


@pytest.fixture
def viewer(tokens: Tokens) -> str:
    """The token of somebody who may look."""
    return tokens.create("guest", Role.VIEWER, by="test")


@pytest.fixture
def log_in(app: Flask) -> LogIn:
    """Logs in with a token; the client that keeps the cookie."""

    def do(token: str) -> FlaskClient:
        client = app.test_client()
        answer = client.post("/console/login", data={"token": token}, headers=HERE)
        assert answer.status_code == 303, answer.text
        return client

    return do


def csrf_of(client: FlaskClient) -> str:
    """What a form of the client's session carries."""
    found = re.search(r'name="csrf" value="(\w+)"', client.get("/console/").text)
    assert found
    return found[1]


def give(client: FlaskClient, action: str, name: str, **fields: str) -> tuple[int, str]:
    """Send an order's form as the console's page would; the status and the page."""
    form = {"csrf": csrf_of(client), "reason": "test", **fields}
    answer = client.post(f"/console/{action}/{name}", data=form, headers=HERE)
    return answer.status_code, answer.text
