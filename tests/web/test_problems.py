"""Errors become problems with the right status, and headers that a client can act on."""

from http import HTTPStatus

import pytest
from flask import Flask

from detection_api.errors import (
    ConflictError,
    DetectionError,
    ForbiddenError,
    NotFoundError,
    ThrottledError,
    UnauthenticatedError,
)
from detection_api.telemetry import logs
from detection_api.web import problems


def test_every_error_with_a_meaning_has_a_status() -> None:
    direct = DetectionError.__subclasses__()
    every = {*direct, *(error for each in direct for error in each.__subclasses__())}
    assert set(problems._STATUS) == every


@pytest.mark.parametrize(
    ("error", "status", "header"),
    [
        (NotFoundError("gone"), HTTPStatus.NOT_FOUND, None),
        (ConflictError("taken"), HTTPStatus.CONFLICT, None),
        (ForbiddenError("no"), HTTPStatus.FORBIDDEN, None),
        (UnauthenticatedError("who"), HTTPStatus.UNAUTHORIZED, "WWW-Authenticate"),
        (ThrottledError("later", 7), HTTPStatus.TOO_MANY_REQUESTS, "Retry-After"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_answer_without_data_is_a_problem(
    error: DetectionError, status: HTTPStatus, header: str | None
) -> None:
    app = Flask("problems")
    logs.init_app(app)
    problems.init_app(app)

    @app.get("/")
    def view() -> str:
        raise error

    response = app.test_client().get("/")
    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    assert response.get_json()["detail"] == str(error)
    assert header is None or header in response.headers
