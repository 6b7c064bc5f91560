"""The canary for Flask: `@canary(domain=..., legacy=..., schema=...)`."""

from collections.abc import Callable, Mapping
from functools import partial, wraps
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import structlog
from flask import Flask, Request, Response, current_app, g
from flask.globals import request_ctx
from marshmallow import Schema
from werkzeug.exceptions import UnprocessableEntity

from detection_api.canary import metrics
from detection_api.canary.contract import ResponseReturnedError
from detection_api.canary.fleet import HostApplication, Runtime
from detection_api.canary.registration import canaried_endpoints, route_of
from detection_api.canary.responses import Responder, labels
from detection_api.canary.serving import (
    CanaryRequest,
    CanarySettings,
    ForcePolicy,
    Implementation,
    LastGood,
    Observation,
    Route,
    RouteHeaders,
)
from detection_api.canary.state import Arm, MemoryStore, Store

log = structlog.get_logger(__name__)

FORCE_PARAMETER = "force_domain"
FORCE_WORDS: Mapping[str, Arm] = {
    "true": Arm.DOMAIN,
    "1": Arm.DOMAIN,
    "false": Arm.LEGACY,
    "0": Arm.LEGACY,
}

View = Callable[..., Any]
Identify = Callable[[Request], str | None]
"""The name of the operator whose token a request shows, or None."""


class InvalidAnswerError(TypeError):
    """An implementation returned a response where the canary needs plain data.

    Raised only if the application is in debug or testing mode; in production it is logged.
    """


class CanariedView(Protocol):
    """A view that the canary serves; `canary` is its route."""

    canary: Route

    def __call__(self, **arguments: Any) -> Response:
        """The response to the request in progress."""


class Canary:
    """The extension; its instance is the decorator of canaried routes."""

    def init_app(
        self,
        app: Flask,
        overrides: CanarySettings,
        *,
        answers: tuple[type[Exception], ...] = (),
        store: Store | None = None,
        identify: Identify = lambda _: None,
        request_id: Callable[[], str] = lambda: uuid4().hex,
        vitals: Callable[[], Mapping[str, float]] = dict,
        calls_folder: Path | None = None,
    ) -> None:
        """Make the canary of `app`, whose canaried routes are registered already.

        A percentage that is pinned for an endpoint which is none of them is a typo, and so a
        kill switch. `answers` are the exceptions that are answers to a request and not
        failures; the application's error handlers turn them into responses. Without a `store`
        nothing is shared, and only the environment sets percentages. `identify` names the
        operator whose token a request shows, `request_id` the request; `vitals` is what each
        worker reports of itself. In `calls_folder` the workers of one instance record their calls
        of the domain, so that a worker that dies in one is counted. Raises ConflictingMethodsError.
        """
        canaried = canaried_endpoints(app)
        app.extensions["canary"] = _Extension(
            Runtime(
                overrides.checked(canaried),
                store or MemoryStore(),
                HostApplication(
                    endpoints=tuple(canaried),
                    answers=answers,
                    vitals=vitals,
                    context=app.app_context,
                    calls_folder=calls_folder,
                ),
                is_alone=store is None,
            ),
            overrides,
            identify,
            request_id,
        )

    def start(self, app: Flask, *, within: float) -> None:
        """Begin in this process, and wait up to `within` seconds for the first word of the store.

        It begins with the first request at the latest; whoever that is would be legacy's.
        """
        extension: _Extension = app.extensions["canary"]
        extension.runtime.start(within)

    def stop(self, app: Flask) -> None:
        """End what runs in the background in this process; it begins again with a request.

        A process that ends does so by itself.
        """
        extension: _Extension = app.extensions["canary"]
        extension.runtime.link.background.stop()

    @property
    def runtime(self) -> Runtime:
        """The runtime of the current application."""
        extension: _Extension = current_app.extensions["canary"]
        return extension.runtime

    @property
    def store(self) -> Store:
        """The store that the current application shares with the fleet."""
        return self.runtime.link.store

    def __call__(
        self,
        *,
        domain: Implementation,
        legacy: Implementation | None,
        schema: Schema | type[Schema],
        deadline: float | None = None,
        writes: bool = False,
        headers: RouteHeaders | None = None,
    ) -> Callable[[View], CanariedView]:
        """Serve the decorated route by `domain` or `legacy`; the function's own body is unused.

        Both take the view's keyword arguments. `legacy=None` is a finished migration. With
        `deadline`, in seconds, a domain that takes longer is left alone and legacy answers.
        A route that `writes` runs one arm and is never compared; legacy runs after the domain
        only where that raised RolledBackError. `headers`, called with the value of an answer in
        the request's context, tells what else goes out with it.
        """
        route = route_of(
            domain=domain,
            legacy=legacy,
            schema=schema,
            deadline=deadline,
            writes=writes,
            headers=headers,
        )

        def decorate(function: View) -> CanariedView:
            @wraps(function)
            def view(**arguments: Any) -> Response:
                context = request_ctx._get_current_object()  # type: ignore[attr-defined]
                extension: _Extension = context.app.extensions["canary"]
                return extension.respond(route, context.request, arguments)

            view.canary = route  # type: ignore[attr-defined]
            return view  # type: ignore[return-value]

        return decorate


class _Extension:
    """Between Flask and the runtime of one application."""

    def __init__(
        self,
        runtime: Runtime,
        overrides: CanarySettings,
        identify: Identify,
        request_id: Callable[[], str],
    ) -> None:
        self.runtime = runtime
        self._overrides = overrides
        self._sticky = f"HTTP_{overrides.sticky_header.upper().replace('-', '_')}"
        self._identify = identify
        self._request_id = request_id
        self._responder = Responder(LastGood(overrides.stale_if_error), ignored={FORCE_PARAMETER})

    def respond(self, route: Route, asked: Request, arguments: Mapping[str, Any]) -> Response:
        """The response to `asked`, in progress; accounted for, and perhaps compared later."""
        endpoint = asked.url_rule.endpoint  # type: ignore[union-attr]  # for it has a view
        ask = self._ask(asked)
        served = self.runtime.serve(route, endpoint, ask, arguments)
        g._get_current_object().canary = labels(served.arm, served.reason, served.cause)
        response = self._responder.respond(endpoint, route, served)
        try:
            for observation in served.observations:
                if observation.failure:
                    _log_failure(endpoint, observation)
                    _raise_in_tests(endpoint, observation)
            self.runtime.account(endpoint, ask, served, response.status_code)
            comparisons = self.runtime.comparisons
            if comparisons.is_chosen(endpoint, ask, route, served):
                offer = partial(comparisons.offer, endpoint, ask, route, served, arguments)
                response.call_on_close(offer)
        except InvalidAnswerError:
            raise
        except Exception:  # noqa: BLE001 - its own fault must not become the client's
            metrics.fault("account", endpoint=endpoint)
        return response

    def _ask(self, asked: Request) -> CanaryRequest:
        operator = None
        try:
            operator = self._identify(asked)
        except Exception:  # noqa: BLE001 - its own fault must not become the client's
            metrics.fault("identify", endpoint=asked.endpoint)
        subject = asked.environ.get(self._sticky) or operator
        request_id = self._request_id()
        return CanaryRequest(
            subject=subject or request_id,
            named=subject is not None,
            forced=self._forced(asked, operator) if asked.query_string else None,
            request_id=request_id,
        )

    def _forced(self, asked: Request, operator: str | None) -> Arm | None:
        words = set(asked.args.getlist(FORCE_PARAMETER))
        if not words:
            return None
        word = words.pop()
        if words or word not in FORCE_WORDS:
            raise _unreadable(FORCE_PARAMETER, "Must be one of: true, false, 1, 0.")
        granted = self._overrides.force is ForcePolicy.OPEN or (
            self._overrides.force is ForcePolicy.TOKEN and operator is not None
        )
        return FORCE_WORDS[word] if granted else None


def _unreadable(parameter: str, message: str) -> UnprocessableEntity:
    """A 422 that carries its messages as webargs does, so that one handler serves both."""
    error = UnprocessableEntity(f"{parameter}: {message}")
    error.data = {"messages": {"query": {parameter: [message]}}}  # type: ignore[attr-defined]
    return error


def _log_failure(endpoint: str, observation: Observation) -> None:
    facts = {
        "endpoint": endpoint,
        "arm": observation.arm,
        "ms": round(observation.seconds * 1000, 3),
    }
    answer = observation.answer
    if answer is not None and answer.violation is not None:
        log.error("reference_breaks_contract", **facts, violation=answer.violation.messages)
    else:
        log.error("arm_failed", **facts, cause=observation.cause, exc_info=observation.error)


def _raise_in_tests(endpoint: str, observation: Observation) -> None:
    """Raise InvalidAnswerError for a returned response, in debug and testing mode only."""
    if not (current_app.debug or current_app.testing):
        return
    answer = observation.answer
    violation = observation.error if answer is None else answer.violation
    if isinstance(violation, ResponseReturnedError):
        raise InvalidAnswerError(
            f"{observation.arm} of endpoint {endpoint}: {violation.messages[0]}"
        ) from violation
