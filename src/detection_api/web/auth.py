"""Who an operator is: tokens shown as `Authorization: Bearer ...`, and what they allow."""

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
    """What an application knows its operators by."""

    recognition: Recognition
    throttle: Throttle


def init_app(app: Flask, tokens: Tokens, throttle: Throttle) -> None:
    """Have `app` know its operators by `tokens`, and `throttle` those who show wrong ones."""
    app.extensions["auth"] = _Gate(Recognition(tokens), throttle)


def needs(role: Role) -> Callable[[View], View]:
    """Have a view answer bearers of a token of this role, or of a higher one, and nobody else.

    The view finds the bearer as `bearer()`. `role` becomes an attribute, for the documentation.
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
    """The operator that `needs` has let through."""
    operator: Operator = g.operator
    return operator


def authenticate(token: str | None, client: str) -> Operator:
    """Whose token this is, which the client at that address shows.

    Raises UnauthenticatedError for none, InvalidTokenError for a wrong one, ThrottledError for
    too many of these; PostgreSQL's errors and DeadlineExceededError where it does not answer.
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


def identify(asked: Request) -> str | None:
    """The name of the operator whose token a request shows, if it shows one of ours."""
    if "HTTP_AUTHORIZATION" not in asked.environ:  # of most clients; the header is dear to read
        return None
    token = _shown(asked)
    if not token or not token.startswith(PREFIX):
        return None
    operator = _gate().recognition.by_token(token)
    return operator.name if operator else None


def _gate() -> _Gate:
    gate: _Gate = current_app.extensions["auth"]
    return gate


def _shown(asked: Request) -> str | None:
    """The token that a request shows."""
    authorization = asked.authorization
    return authorization.token if authorization and authorization.type == "bearer" else None
