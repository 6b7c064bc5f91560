"""An application that remembers hosts answers every request as Flask does."""

from itertools import product

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.exceptions import SecurityError

from detection_api.web.application import MAX_HOST_LENGTH, Application

PATHS = (
    "/here",
    "/folder",
    "/folder?x=%ff&y=1",
    "/named/a//b",
    "/named/a",
    "/named/%C3%BC",
    "/named/%ff",
    "//named/a",
    "/named/" + "a" * MAX_HOST_LENGTH,
    "/none",
)
HOSTS = (
    "one.test",
    "two.test:8000",
    "one.test:80",
    "no host/",
    "[::1]:8000",
    "evil.test",
    "a" * MAX_HOST_LENGTH + ".test",
)


def clients(trusted: list[str] | None) -> tuple[FlaskClient, FlaskClient]:
    """Return clients of a Flask application and of ours, with the same routes."""

    def client(app: Flask) -> FlaskClient:
        app.config["TRUSTED_HOSTS"] = trusted
        app.add_url_rule("/here", "here", lambda: f"{request.host} {request.url}")
        app.add_url_rule("/folder/", "folder", lambda: "folder")
        app.add_url_rule("/named/<name>", "named", _changed)
        app.register_error_handler(404, lambda _: (f"not at {request.host}", 404))
        app.register_error_handler(SecurityError, _refused)
        return app.test_client()

    return client(Flask(__name__)), client(Application(__name__))


def _changed(name: str) -> str:
    assert request.view_args is not None
    request.view_args["name"] = "changed"
    return name


def _refused(_: Exception) -> tuple[str, int]:
    with pytest.raises(SecurityError):
        assert request.host
    return "refused", 400


@pytest.mark.parametrize("trusted", [None, ["one.test", "two.test"]])
def test_whatever_is_asked_twice_is_answered_as_by_flask(trusted: list[str] | None) -> None:
    flask, ours = clients(trusted)
    for path, host, method in [*product(PATHS, HOSTS, ("GET", "HEAD", "PUT"))] * 2:
        answers = [
            client.open(path, method=method, headers={"Host": host}) for client in (flask, ours)
        ]
        first, second = [(a.status_code, a.text, sorted(a.headers)) for a in answers]
        assert first == second, (path, host, method)


def test_a_request_for_a_websocket_is_answered_as_any() -> None:
    _, ours = clients(None)
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert [ours.get("/here", headers=each).status_code for each in (upgrade, {})] == [200, 200]
