"""A valid token opens a session, the login stays within the console, and a logout ends it."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.console.conftest import HERE, PAGES, LogIn, csrf_of


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
