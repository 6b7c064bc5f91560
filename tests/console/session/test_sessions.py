"""A session is valid only while it lasts, and while its token is valid."""

from contextlib import closing

import psycopg2
from flask import Flask
from flask.testing import FlaskClient

from detection_api.services.tokens import Tokens


def statement(url: str, text: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection:
        connection.cursor().execute(text)


def test_an_invented_session_opens_nothing(app: Flask, operator: str) -> None:
    client = app.test_client()
    client.set_cookie("detection_api_console", "invented", path="/console/")
    assert client.get("/console/").status_code == 303


def test_an_expired_session_asks_for_the_token_again(client: FlaskClient, database: str) -> None:
    statement(database, "UPDATE operator_session SET expires_at = now() - interval '1 second'")
    forget_sessions(client)
    assert client.get("/console/").status_code == 303
    live = client.get("/console/", headers={"Accept": "application/json"})
    assert (live.status_code, live.data) == (401, b"")


def test_a_revoked_token_ends_its_sessions(client: FlaskClient, tokens: Tokens) -> None:
    tokens.revoke("night", by="test", reason="")
    forget_sessions(client)
    assert client.get("/console/").status_code == 303


def forget_sessions(client: FlaskClient) -> None:
    """Have the worker look the session up again, as it does every second."""
    client.application.extensions["console"].sessions.forget()
