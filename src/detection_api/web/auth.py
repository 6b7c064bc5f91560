"""Authenticates operators by `Authorization: Bearer` tokens, and checks their roles."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import structlog
from flask import Flask, Request, current_app, g, request

from detection_api.errors import (
    ForbiddenError,
    InvalidTokenError,
    ThrottledError,
    UnauthenticatedError,
)
from detection_api.models.tokens import Role
from detection_api.services.tokens import Operator, Recognition, Tokens
from detection_api.telemetry import logs
from detection_api.token_format import PREFIX
from detection_api.web.throttle import Throttle

log = structlog.get_logger(__name__)

View = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class _Gate:
    """The tokens and the throttle of one application."""

    recognition: Recognition
    throttle: Throttle


def init_app(app: Flask, tokens: Tokens, throttle: Throttle) -> None:
    """Authenticate operators of `app` by `tokens`; `throttle` limits wrong tokens."""
    app.extensions["auth"] = _Gate(Recognition(tokens), throttle)


def needs(role: Role) -> Callable[[View], View]:
    """Restrict a view to bearers of a token of this role or a higher one.

    The view gets the operator from `bearer()`. `role` becomes an attribute, for the documentation.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            g.operator = authenticate(_shown(request), request.remote_addr or "")
            allow(g.operator, role)
            return view(*args, **kwargs)

        guarded.role = role  # type: ignore[attr-defined]
        return guarded

    return decorate


def bearer() -> Operator:
    """Return the operator that `needs` has authenticated."""
    operator: Operator = g.operator
    return operator


def authenticate(token: str | None, client: str) -> Operator:
    """Return the operator of a token that the client at an address sent.

    Raises UnauthenticatedError without a token, InvalidTokenError for a wrong token, and
    ThrottledError after too many. If PostgreSQL is unreachable, raises its error or
    DeadlineExceededError.
    """
    gate = _gate()
    operator = gate.recognition.by_token(token) if token else None
    if operator is not None:
        logs.bind(operator=operator.name)
        return operator
    if not gate.recognition.knows_any():
        raise UnauthenticatedError(
            "No operator's token is in use, so nobody may do this. Make one:"
            " detection-api tokens create NAME --role operator"
        )
    if not token:
        raise UnauthenticatedError(
            "This needs an operator's token, as a header `Authorization: Bearer TOKEN`."
        )
    if wait := math.ceil(gate.throttle.failed(client)):
        raise ThrottledError(
            f"Too many wrong tokens from this address: try again in {wait} s.", wait
        )
    log.warning("token_refused", client=client)
    raise InvalidTokenError("This token was revoked, or never was one.")


def allow(operator: Operator, role: Role) -> None:
    """Raise ForbiddenError unless `operator` may do what `role` may."""
    if not operator.role.may_act_as(role):
        raise ForbiddenError(
            f"This needs a token of role {role.value}; {operator.name} is {operator.role.value}."
        )


def identify(request: Request) -> str | None:
    """Return the name of the operator whose token a request has; None without a valid token."""
    if "HTTP_AUTHORIZATION" not in request.environ:  # most clients; parsing the header is slow
        return None
    token = _shown(request)
    if not token or not token.startswith(PREFIX):
        return None
    operator = _gate().recognition.by_token(token)
    return operator.name if operator else None


def _gate() -> _Gate:
    gate: _Gate = current_app.extensions["auth"]
    return gate


def _shown(request: Request) -> str | None:
    """Return the token of a request; None if it has none."""
    authorization = request.authorization
    return authorization.token if authorization and authorization.type == "bearer" else None
