"""The canary for Flask: `@canary(domain=..., legacy=..., schema=...)`."""

import random
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Protocol

import structlog
from flask import Flask, Request, Response, current_app, g, request
from marshmallow import Schema
from werkzeug.exceptions import ServiceUnavailable, UnprocessableEntity

from detection_api.canary import metrics
from detection_api.canary.contract import Contract
from detection_api.canary.decision import Arm, ForcePolicy, Overrides
from detection_api.canary.engine import Ask, Engine, Implementation, Route, Served
from detection_api.canary.observation import DeadlinePool, Observation
from detection_api.canary.store import MemoryStore, RolloutState, Store

log = structlog.get_logger(__name__)

FORCE_PARAMETER = "force_domain"
FORCE_WORDS: Mapping[str, Arm] = {
    "true": Arm.DOMAIN,
    "1": Arm.DOMAIN,
    "false": Arm.LEGACY,
    "0": Arm.LEGACY,
}
RETRY_AFTER = 5
"""Seconds after which a client may try again when no implementation could answer."""
DEADLINE_THREADS = 8

View = Callable[..., Any]
Identify = Callable[[Request], str | None]
"""The name of the operator whose token a request shows, or None."""


class CanariedView(Protocol):
    """A view that the canary serves; `canary` is its route."""

    canary: Route

    def __call__(self, **arguments: Any) -> Response:
        """The response to the request in progress."""


class _Runtime:
    """What one application's canary works with."""

    def __init__(
        self,
        overrides: Overrides,
        *,
        answers: tuple[type[Exception], ...],
        store: Store,
        identify: Identify,
    ) -> None:
        self._overrides = overrides
        self._identify = identify
        self._store = store
        self._engine = Engine(overrides, answers, DeadlinePool(DEADLINE_THREADS))

    def respond(self, route: Route, arguments: Mapping[str, Any]) -> Response:
        endpoint = request.endpoint or ""
        ask = self._ask()
        served = self._engine.serve(route, self._state(endpoint), ask, arguments)
        g.canary = served
        _account(endpoint, served)
        response = _response(served)
        response.headers["X-Canary"] = _canary_header(served)
        response.headers["Server-Timing"] = ", ".join(
            f"{o.arm.value};dur={o.seconds * 1000:.3f}" for o in served.observations
        )
        return response

    def _ask(self) -> Ask:
        operator = self._operator()
        subject = request.headers.get(self._overrides.sticky_header) or operator
        return Ask(subject=subject or _anonymous(), forced=self._forced(operator))

    def _forced(self, operator: str | None) -> Arm | None:
        words = set(request.args.getlist(FORCE_PARAMETER))
        if not words:
            return None
        word = words.pop()
        if words or word not in FORCE_WORDS:
            raise _unreadable(FORCE_PARAMETER, "Must be one of: true, false, 1, 0.")
        granted = self._overrides.force is ForcePolicy.OPEN or (
            self._overrides.force is ForcePolicy.TOKEN and operator is not None
        )
        return FORCE_WORDS[word] if granted else None

    def _state(self, endpoint: str) -> RolloutState:
        try:
            return self._store.read(endpoint)
        except Exception:  # noqa: BLE001 - its own fault must not become the client's
            _fault("read_state")
            return RolloutState(endpoint=endpoint)

    def _operator(self) -> str | None:
        try:
            return self._identify(request)
        except Exception:  # noqa: BLE001 - its own fault must not become the client's
            _fault("identify")
            return None


class Canary:
    """The extension; its instance is the decorator of canaried routes."""

    def init_app(
        self,
        app: Flask,
        overrides: Overrides,
        *,
        answers: tuple[type[Exception], ...] = (),
        store: Store | None = None,
        identify: Identify = lambda _: None,
    ) -> None:
        """Make the canary of `app`, whose canaried routes are registered already.

        A percentage that is pinned for an endpoint which is none of them is a typo, and so a
        kill switch. `answers` are the exceptions that are answers to a request and not
        failures; the application's error handlers turn them into responses. `identify` names
        the operator whose token a request shows.
        """
        canaried = {name for name, view in app.view_functions.items() if hasattr(view, "canary")}
        app.extensions["canary"] = _Runtime(
            overrides.checked(canaried),
            answers=answers,
            store=store or MemoryStore(),
            identify=identify,
        )

    def __call__(
        self,
        *,
        domain: Implementation,
        legacy: Implementation | None,
        schema: Schema | type[Schema],
        deadline: float | None = None,
    ) -> Callable[[View], CanariedView]:
        """Serve the decorated route by `domain` or `legacy`; the function's own body is unused.

        Both take the view's keyword arguments. `legacy=None` is a finished migration. With
        `deadline`, in seconds, a domain that takes longer is left alone and legacy answers.
        """
        route = Route(domain=domain, legacy=legacy, contract=Contract(schema), deadline=deadline)

        def decorate(function: View) -> CanariedView:
            @wraps(function)
            def view(**arguments: Any) -> Response:
                runtime: _Runtime = current_app.extensions["canary"]
                return runtime.respond(route, arguments)

            view.canary = route  # type: ignore[attr-defined]
            return view  # type: ignore[return-value]

        return decorate


def _anonymous() -> str:
    """A subject of its own for a request that names nobody."""
    return str(random.getrandbits(64))


def _unreadable(parameter: str, message: str) -> UnprocessableEntity:
    """A 422 that carries its messages as webargs does, so that one handler serves both."""
    error = UnprocessableEntity(f"{parameter}: {message}")
    error.data = {"messages": {"query": {parameter: [message]}}}  # type: ignore[attr-defined]
    return error


def _response(served: Served) -> Response:
    """The answer's bytes, or what the application's error handlers make of an error."""
    result = served.result
    if served.arm is None:
        error: Exception = ServiceUnavailable(retry_after=RETRY_AFTER)
    elif result.answer is not None:
        return Response(result.answer.body, mimetype="application/json")
    else:
        assert result.error is not None
        error = result.error
    return current_app.make_response(current_app.handle_user_exception(error))


def _canary_header(served: Served) -> str:
    arm, *why = served.labels.items()
    return "; ".join([arm[1], *(f"{name}={word}" for name, word in why)])


def _account(endpoint: str, served: Served) -> None:
    """Count and log what came of a request; a fault here is counted and kept from the client."""
    try:
        metrics.count(endpoint, served)
        for observation in served.observations:
            _log_failure(endpoint, observation)
    except Exception:  # noqa: BLE001 - its own fault must not become the client's
        _fault("account")


def _fault(operation: str) -> None:
    """Log and count a fault of the canary's own; counting may be the very thing that fails."""
    log.exception("canary_fault", operation=operation, endpoint=request.endpoint)
    try:
        metrics.FAULTS.labels(operation).inc()
    except Exception:
        log.exception("canary_fault", operation="count", endpoint=request.endpoint)


def _log_failure(endpoint: str, observation: Observation) -> None:
    facts = {
        "endpoint": endpoint,
        "arm": observation.arm.value,
        "ms": round(observation.seconds * 1000, 3),
    }
    if observation.cause is not None:
        log.error("arm_failed", **facts, cause=observation.cause.value, exc_info=observation.error)
    elif observation.answer is not None and observation.answer.violation is not None:
        log.error(
            "reference_breaks_contract", **facts, violation=observation.answer.violation.messages
        )
