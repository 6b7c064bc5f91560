"""The OpenAPI 3.1 description at `/openapi.json`, made from the schemas, and its pages."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import flask_smorest
from flask import Flask, request
from flask_swagger_ui import get_swaggerui_blueprint
from marshmallow import EXCLUDE, Schema, ValidationError
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import UnsupportedMediaType

from detection_api.schemas.problem import ProblemSchema
from detection_api.web.documentation import CANARIED, ROLE, SECURITY_SCHEME, Documentation
from detection_api.web.parameters import declare

JSON_PATH = "/openapi.json"
DOCS_PATH = "/docs"

View = Callable[..., Any]


class Api(flask_smorest.Api):  # type: ignore[misc]
    """Documents errors by the schema that `problems.py` sends."""

    ERROR_SCHEMA = ProblemSchema
    DEFAULT_ERROR_RESPONSE_NAME = None


class _Parser(FlaskParser):
    """Refuses a body of another media type; webargs would read it as an empty object."""

    def load_json(self, req: Any, schema: Any) -> Any:
        """Return the JSON body; raises UnsupportedMediaType for a body of another type."""
        if not req.is_json:
            raise UnsupportedMediaType
        return super().load_json(req, schema)


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """Documents the canary's and operators' routes, and loads parameters of canaried ones fast."""

    ARGUMENTS_PARSER = _Parser()

    def arguments(self, schema: type[Schema], *, location: str, **options: Any) -> Any:
        """Load parameters as smorest does; canaried routes skip webargs unless it has errors.

        docs/decisions/0028-framework-internals.md has the measurement.
        """
        loader = schema()
        by_webargs = super().arguments(loader, location=location, **options)

        def decorate(view: View) -> View:
            wrapped: View = by_webargs(view)
            if not hasattr(view, "canary") or location not in {"path", "query"}:
                return wrapped

            @wraps(wrapped)
            def loaded(**arguments: Any) -> Any:
                given = arguments if location == "path" else request.args
                try:
                    parameters = loader.load(given, unknown=EXCLUDE)
                except ValidationError:
                    return wrapped(**arguments)  # webargs words the errors
                return view(**{**arguments, **parameters})

            declare(loaded, location, loader)
            return loaded

        return decorate

    def response(self, status_code: int, schema: Any = None, **options: Any) -> Any:
        """Declare a response as smorest does; a canaried route has its schema from `@canary`.

        Raises TypeError if a canaried route states a schema here too.
        """
        by_smorest = super().response

        def decorate(view: View) -> View:
            route = getattr(view, "canary", None)
            if route is not None and schema is not None:
                raise TypeError(f"{view.__name__}: state the schema once, in @canary(schema=...)")
            documented = schema if route is None else route.contract.schema
            wrapped: View = by_smorest(status_code, documented, **options)(view)
            return wrapped

        return decorate

    def add_url_rule(
        self, rule: str, endpoint: str | None = None, view_func: View | None = None, **options: Any
    ) -> None:
        """Register a view as smorest does, and mark what `Documentation` has to add."""
        marks: dict[str, Any] = {}
        if hasattr(view_func, "canary"):
            marks[CANARIED] = True
        if role := getattr(view_func, "role", None):
            marks[ROLE] = role.value
        # `doc` wraps the view; the wrapper only carries documentation
        marked = self.doc(**marks)(view_func) if marks else view_func
        super().add_url_rule(rule, endpoint, marked, **options)


def init_app(app: Flask, api: Api, version: str) -> None:
    """Publish the description of all blueprints of `api`, as JSON and as pages."""
    app.config.update(
        API_TITLE="detection-api",
        API_VERSION=version,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH=JSON_PATH,
    )
    api.init_app(app, spec_kwargs={"extra_plugins": [Documentation()]})
    api.spec.components.security_scheme(
        SECURITY_SCHEME,
        {
            "type": "http",
            "scheme": "bearer",
            "description": "An operator's token: `detection-api tokens create NAME --role viewer`.",
        },
    )
    pages = get_swaggerui_blueprint(
        DOCS_PATH, JSON_PATH, config={"app_name": "detection-api", "validatorUrl": None}
    )
    app.register_blueprint(pages)
