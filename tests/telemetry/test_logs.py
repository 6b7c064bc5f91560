"""Every request has an id that is safe to log, and tokens never reach a log line."""

import logging

import pytest
from flask import Flask
from flask.testing import FlaskClient

from detection_api import token_format
from detection_api.telemetry import logs


@pytest.fixture
def client() -> FlaskClient:
    """Return a client of an application that answers with the request's id."""
    app = Flask("logs")
    logs.init_app(app)
    app.add_url_rule("/", "id", logs.request_id)
    return app.test_client()


@pytest.mark.parametrize("given", ["r-1", "A.b_c:9", "a" * 128])
def test_a_request_id_is_echoed(client: FlaskClient, given: str) -> None:
    response = client.get("/", headers={"X-Request-ID": given})
    assert response.headers["X-Request-ID"] == response.text == given


@pytest.mark.parametrize(
    "given",
    ["", "a" * 129, "two words", '{"level": "info"}', "ü", token_format.new_token()],
    ids=["empty", "too long", "two words", "JSON", "not ASCII", "a token"],
)
def test_a_request_id_that_could_harm_the_log_is_replaced(client: FlaskClient, given: str) -> None:
    response = client.get("/", headers={"X-Request-ID": given})
    assert response.headers["X-Request-ID"] == response.text != given
    assert len(response.text) == 32


def test_a_token_is_redacted_in_gunicorns_lines() -> None:
    token = token_format.new_token()
    record = logging.LogRecord("gunicorn.error", logging.INFO, "", 0, "bad %s", (token,), None)
    assert logs._redact(record)
    assert token not in record.getMessage()
