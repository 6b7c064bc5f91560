"""The application without a canary: every route runs its service, checks and encodes.

`gunicorn benchmarks.undecorated:app` serves the same routes; what is missing is what `@canary`
does for a request, and everything that goes on beside requests.
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
    """In the canary's place while the routes are declared: there is nothing for it to do."""

    def start(self, app: Flask, *, within: float) -> None:
        """Nothing to begin."""

    def stop(self, app: Flask) -> None:
        """Nothing to end."""

    def __call__(  # type: ignore[override]
        self,
        *,
        domain: View,
        schema: Schema | type[Schema],
        headers: Callable[[Any], dict[str, str]] = lambda _: {},
        **_: Any,
    ) -> Callable[[View], View]:
        """Serve the decorated route by `domain` alone."""
        contract = Contract(schema)

        def decorate(function: View) -> View:
            @wraps(function)
            def view(**arguments: Any) -> Response:
                value = domain(**arguments)
                body = contract.encode(value)
                return responses.validated(body, headers(value).items())

            view.canary = None  # type: ignore[attr-defined]  # for its wrappers: a canaried view's
            return view

        return decorate


extensions.canary = NoCanary()

from detection_api import create_app  # noqa: E402 - routes are declared by importing it

app = create_app()
