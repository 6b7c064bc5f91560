"""The OpenAPI 3.1 description at `/openapi.json`, drawn from the schemas, and its pages."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

import flask_smorest
from flask import Flask, request
from flask_smorest.utils import prepare_response
from flask_swagger_ui import get_swaggerui_blueprint
from marshmallow import EXCLUDE, Schema, ValidationError
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import UnsupportedMediaType

from detection_api.canary.flask import FORCE_PARAMETER, FORCE_WORDS
from detection_api.schemas.problem import ProblemSchema
from detection_api.web import problems

JSON_PATH = "/openapi.json"
DOCS_PATH = "/docs"

View = Callable[..., Any]

SECURITY_SCHEME = "operatorToken"
_FORCE = {
    "name": FORCE_PARAMETER,
    "in": "query",
    "description": "Ask for one implementation: the domain's (true, 1) or legacy's (false, 0).",
    "schema": {"type": "string", "enum": list(FORCE_WORDS)},
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of an answer that the client has: where it still holds, 304.",
    "schema": {"type": "string"},
}
_HEADERS = {
    "ETag": {
        "description": "Changes with the body, and with nothing else; for `If-None-Match`.",
        "schema": {"type": "string"},
    },
    "Cache-Control": {
        "description": "`no-cache`: keep the answer, and ask with its `ETag` before using it.",
        "schema": {"type": "string"},
    },
    "X-Canary": {
        "description": "Who answered and why: `domain; reason=rollout`, `legacy; reason=holdout`.",
        "schema": {"type": "string"},
    },
    "Age": {
        "description": "Seconds since this answer was new; only where it is an old one, with a"
        " `Warning`, because nobody can answer now.",
        "schema": {"type": "integer"},
    },
    "Server-Timing": {
        "description": "Milliseconds of each implementation that ran for this response.",
        "schema": {"type": "string"},
    },
    "X-Request-ID": {
        "description": "The request's own id, or one made for it; in every log line about it.",
        "schema": {"type": "string"},
    },
}
_NOT_MODIFIED = {"description": "The answer that the client has still holds", "headers": _HEADERS}


_REFUSALS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


class Api(flask_smorest.Api):  # type: ignore[misc]
    """Documents every error as a problem, as `problems.py` sends it."""

    ERROR_SCHEMA = ProblemSchema
    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_responses(self) -> None:
        for status in HTTPStatus:
            response = {"description": status.phrase, "schema": self.ERROR_SCHEMA}
            prepare_response(response, self.spec, problems.MEDIA_TYPE)
            self.spec.components.response(status.name, response, lazy=True)


class _Parser(FlaskParser):
    """Says of what is no JSON that it is not, before webargs finds it empty."""

    def load_json(self, req: Any, schema: Any) -> Any:
        """As webargs."""
        if not req.is_json:
            raise UnsupportedMediaType
        return super().load_json(req, schema)


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """Documents what the canary adds to its routes, and what operators' routes ask for.

    Of smorest's and webargs' wrappers a canaried route gets the documentation only: what they do
    for a request costs more than the loading itself.
    """

    ARGUMENTS_PARSER = _Parser()

    def arguments(self, schema: type[Schema], *, location: str, **options: Any) -> Any:
        """As smorest, with one instance of the schema for all requests."""
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
                    return wrapped(**arguments)  # webargs words what is wrong
                return view(**{**arguments, **parameters})

            return loaded

        return decorate

    def response(self, *args: Any, **options: Any) -> Any:
        """As smorest; a canaried view makes the whole response itself."""
        by_smorest = super().response(*args, **options)

        def decorate(view: View) -> View:
            wrapped: View = by_smorest(view)
            if not hasattr(view, "canary"):
                return wrapped
            view._apidoc = wrapped._apidoc  # type: ignore[attr-defined]
            return view

        return decorate

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prepare_doc_cbks += [_document_canary, _document_role]

    def _store_endpoint_docs(self, endpoint: str, obj: Any, *args: Any, **options: Any) -> None:
        super()._store_endpoint_docs(endpoint, obj, *args, **options)
        for method, doc in self._docs[endpoint].items():
            if method != "parameters":
                doc["canaried"] = hasattr(obj, "canary")
                doc["role"] = getattr(obj, "role", None)


def _document_canary(doc: dict[str, Any], doc_info: dict[str, Any], **_: Any) -> dict[str, Any]:
    """smorest's hook: add the canary's parameter, headers and errors to an operation."""
    if doc_info.pop("canaried"):
        doc.setdefault("parameters", []).extend((_FORCE, _IF_NONE_MATCH))
        answer = doc["responses"][200]
        answer["headers"] = {**answer.get("headers", {}), **_HEADERS}
        doc["responses"][HTTPStatus.NOT_MODIFIED.value] = _NOT_MODIFIED
        for status in (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE):
            doc["responses"][status.value] = status.name
    return doc


def _document_role(doc: dict[str, Any], doc_info: dict[str, Any], **_: Any) -> dict[str, Any]:
    """smorest's hook: add what a token is needed for, and the errors of one that is not right."""
    if role := doc_info.pop("role"):
        doc["security"] = [{SECURITY_SCHEME: []}]
        said = doc.get("description", ""), f"Needs a token of role {role.value}."
        doc["description"] = "\n\n".join(filter(None, said))
        for status in _REFUSALS:
            doc["responses"][status.value] = status.name
    return doc


def init_app(app: Flask, api: Api, version: str) -> None:
    """Publish the description of what is registered with `api`, and browsable pages of it."""
    app.config.update(
        API_TITLE="detection-api",
        API_VERSION=version,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH=JSON_PATH,
    )
    api.init_app(app)
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
