"""Turns errors of every kind into RFC 9457 problems; no other module does."""

from http import HTTPStatus
from typing import Any

import msgspec
import psycopg2
import structlog
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from detection_api.canary.state import StaleEpochError
from detection_api.errors import (
    ConflictError,
    DeadlineExceededError,
    DetectionError,
    ForbiddenError,
    InvalidTokenError,
    NotFoundError,
    ThrottledError,
    UnauthenticatedError,
)
from detection_api.telemetry.logs import request_id

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

RETRY_AFTER = 5
"""Seconds after which a client may ask again for what PostgreSQL could not say or take."""
CHALLENGE = 'Bearer realm="detection-api"'
"""The header that requests a token (RFC 6750)."""

_STATUS: dict[type[DetectionError], HTTPStatus] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    InvalidTokenError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    ThrottledError: HTTPStatus.TOO_MANY_REQUESTS,
}
_CHALLENGES: dict[type[DetectionError], str] = {
    UnauthenticatedError: CHALLENGE,
    InvalidTokenError: f'{CHALLENGE}, error="invalid_token"',
}
_UNAVAILABLE = (psycopg2.OperationalError, psycopg2.InterfaceError, DeadlineExceededError)

_DETAIL: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "The request cannot be read; a body has to be JSON.",
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take that method.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "This takes JSON: send `Content-Type: application/json`.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A parameter is out of bounds or unreadable.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong here; the log has it by request_id.",
    HTTPStatus.SERVICE_UNAVAILABLE: "This cannot be answered just now; try again in a moment.",
}


def init_app(app: Flask) -> None:
    """Answer every error of `app` with a problem."""
    app.register_error_handler(DetectionError, _from_domain)
    app.register_error_handler(StaleEpochError, _from_lost_race)
    for error in _UNAVAILABLE:
        app.register_error_handler(error, _from_database)
    app.register_error_handler(HTTPException, _from_http)
    app.register_error_handler(Exception, _from_bug)


def problem(status: int, detail: str, **members: Any) -> Response:
    """Return a problem response; `detail` is a sentence for a person."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": request_id(),
        **members,
    }
    return Response(msgspec.json.encode(body), status=status, content_type=MEDIA_TYPE)


def _from_domain(error: DetectionError) -> Response:
    response = problem(_STATUS[type(error)], str(error))
    if challenge := _CHALLENGES.get(type(error)):
        response.headers["WWW-Authenticate"] = challenge
    if isinstance(error, ThrottledError):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _from_lost_race(error: StaleEpochError) -> Response:
    detail = f"Somebody else has just changed {error}: nothing was done to it. Look, and decide."
    return problem(HTTPStatus.CONFLICT, detail)


def _from_database(error: Exception) -> Response:
    log.warning("database_unavailable", error=str(error).strip())
    status = HTTPStatus.SERVICE_UNAVAILABLE
    response = problem(status, _DETAIL[status])
    response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def _from_http(error: HTTPException) -> Response:
    """Return a problem for an error of Flask, webargs or the canary, with its headers."""
    if error.response is not None or error.code is None:
        return error.get_response()  # type: ignore[return-value]
    messages = _messages(error)
    detail = _DETAIL.get(error.code, HTTPStatus(error.code).description)
    if messages:
        detail = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in messages.items())
    response = problem(error.code, detail, **({"errors": messages} if messages else {}))
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            response.headers[name] = value
    return response


def _from_bug(error: Exception) -> Response:
    log.error("unhandled_error", exc_info=error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return problem(status, _DETAIL[status])


def _messages(error: HTTPException) -> dict[str, list[str]]:
    """Return messages by parameter; webargs nests them by location (path, query)."""
    by_place = getattr(error, "data", None) or {}
    messages: dict[str, list[str]] = {}
    for parameters in by_place.get("messages", {}).values():
        # An unreadable body has a list of messages instead of a mapping.
        for name, texts in parameters.items() if isinstance(parameters, dict) else ():
            # A client's member name may hold characters that UTF-8 cannot encode.
            messages[name.encode(errors="replace").decode()] = [str(message) for message in texts]
    return messages
