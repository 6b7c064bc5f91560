"""Who gets into the console, and what its pages may do."""

from contextlib import closing

import psycopg2
import pytest
from flask import Flask
from flask.testing import FlaskClient

from detection_api.canary.state.store import Store
from detection_api.services.tokens import Tokens
from tests.console.conftest import HERE, LogIn, csrf_of

PAGES = ("/console/", "/console/endpoints/cameras.cameras", "/console/rollback/*")


@pytest.fixture
def client(log_in: LogIn, operator: str) -> FlaskClient:
    return log_in(operator)


def statement(url: str, text: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection:
        connection.cursor().execute(text)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_asks_for_a_login_first_and_leads_back(
    app: Flask, log_in: LogIn, operator: str, page: str
) -> None:
    client = app.test_client()
    refused = client.get(page)
    assert refused.status_code == 303
    assert refused.location.startswith("/console/login?next=")
    answer = client.post(refused.location, data={"token": operator}, headers=HERE)
    assert answer.location == page
    assert client.get(page).status_code == 200


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "/docs"])
def test_a_login_leads_nowhere_but_to_the_console(
    app: Flask, operator: str, elsewhere: str
) -> None:
    answer = app.test_client().post(
        "/console/login",
        query_string={"next": elsewhere},
        data={"token": operator},
        headers=HERE,
    )
    assert answer.location == "/console/"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_session_is_out_of_reach_of_scripts_and_other_sites(
    app: Flask, operator: str, scheme: str
) -> None:
    answer = app.test_client().post(
        "/console/login", data={"token": operator}, headers=HERE, base_url=f"{scheme}://host"
    )
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/console/", "Max-Age=43200"} <= set(
        cookie.split("; ")
    )
    assert ("Secure" in cookie) == (scheme == "https")
    assert operator not in cookie
    assert operator not in answer.text


@pytest.mark.parametrize("token", ["", "dapi_wrong", "päron"])
def test_a_wrong_token_opens_nothing(app: Flask, operator: str, token: str) -> None:
    client = app.test_client()
    answer = client.post("/console/login", data={"token": token}, headers=HERE)
    assert answer.status_code == 401
    assert "This token is not valid" in answer.text
    assert "Set-Cookie" not in answer.headers
    assert client.get("/console/").status_code == 303


def test_without_any_token_the_login_says_so(app: Flask) -> None:
    answer = app.test_client().post("/console/login", data={"token": "dapi_x"}, headers=HERE)
    assert answer.status_code == 401
    assert "There is no valid token yet" in answer.text


def test_guessing_tokens_is_slowed_down(app: Flask, operator: str) -> None:
    client = app.test_client()
    answers = [
        client.post("/console/login", data={"token": f"dapi_{n}"}, headers=HERE) for n in range(11)
    ]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 6


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


def test_logging_out_ends_the_session_for_whoever_has_the_cookie(
    client: FlaskClient, app: Flask
) -> None:
    cookie = client.get_cookie("detection_api_console", path="/console/")
    assert cookie
    answer = client.post("/console/logout", data={"csrf": csrf_of(client)}, headers=HERE)
    assert answer.location == "/console/login"
    thief = app.test_client()
    thief.set_cookie("detection_api_console", cookie.value, path="/console/")
    assert thief.get("/console/").status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_forms_of_other_sites_change_nothing(
    client: FlaskClient, store: Store, headers: dict[str, str]
) -> None:
    form = {"csrf": csrf_of(client), "reason": "attack"}
    answer = client.post("/console/rollback/*", data=form, headers=headers)
    assert answer.status_code == 403
    assert store.read().states == {}


@pytest.mark.parametrize("csrf", ["", "0" * 64, "ä"])
def test_forms_without_the_sessions_secret_change_nothing(
    client: FlaskClient, store: Store, csrf: str
) -> None:
    form = {"csrf": csrf, "reason": "attack"}
    assert client.post("/console/rollback/*", data=form, headers=HERE).status_code == 403
    assert store.read().states == {}


def test_a_browser_that_says_no_more_than_its_origin_may_send_forms(client: FlaskClient) -> None:
    answer = client.post(
        "/console/logout",
        data={"csrf": csrf_of(client)},
        headers={"Origin": "http://localhost"},
    )
    assert answer.status_code == 303


def test_a_link_from_elsewhere_has_the_browser_ask_again_with_its_cookie(app: Flask) -> None:
    answer = app.test_client().get("/console/", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0">' in answer.text


@pytest.mark.parametrize("page", [*PAGES, "/console/login", "/console/none/*"])
def test_every_page_forbids_scripts_styles_and_frames_of_others(
    client: FlaskClient, page: str
) -> None:
    headers = client.get(page).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("page", ["/console/endpoints/none", "/console/none/*", "/console/set/no"])
def test_what_is_not_there_is_said_in_a_page(client: FlaskClient, page: str) -> None:
    answer = client.get(page)
    assert answer.status_code == 404
    assert "This page or endpoint does not exist." in answer.text


def forget_sessions(client: FlaskClient) -> None:
    """Have the worker look the session up again, as it does every second."""
    client.application.extensions["console"].sessions.forget()
