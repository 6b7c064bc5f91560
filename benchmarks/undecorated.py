"""The application without a canary: every route runs its service, checks and encodes.

`gunicorn benchmarks.undecorated:app` serves the same routes, without the work of `@canary` in
requests and in the background.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask, Response
from marshmallow import Schema

from detection_api import extensions
from detection_api.canary import responses
from detection_api.canary.contract import Contract
from detection_api.canary.flask import Canary

View = Callable[..., Any]


class NoCanary(Canary):
    """Replaces the canary while the routes are declared, and does nothing."""

    def start(self, app: Flask, *, within: float) -> None:
        """Do nothing."""

    def stop(self, app: Flask) -> None:
        """Do nothing."""

    def __call__(  # type: ignore[override]
        self,
        *,
        domain: View,
        schema: Schema | type[Schema],
        headers: Callable[[Any], dict[str, str]] = lambda _: {},
        **_: Any,
    ) -> Callable[[View], View]:
        """Return a decorator that serves the route by `domain` alone."""
        contract = Contract(schema)

        def decorate(function: View) -> View:
            @wraps(function)
            def view(**arguments: Any) -> Response:
                value = domain(**arguments)
                body = contract.encode(value)
                return responses.validated(body, headers(value).items())

            view.canary = None  # type: ignore[attr-defined]  # as a canaried view has
            return view

        return decorate


extensions.canary = NoCanary()

from detection_api import create_app  # noqa: E402 - routes are declared by importing it

app = create_app()
