"""A page needs a session, a form needs its secret, and headers protect both in a browser."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from detection_api.canary.state.store import Store
from tests.console.conftest import HERE, PAGES, csrf_of


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
