"""An apispec plugin that documents what the canary, tokens and problems add to routes."""

from http import HTTPStatus
from typing import Any

from apispec import BasePlugin

from detection_api.canary.flask import FORCE_PARAMETER, FORCE_WORDS
from detection_api.web import problems

CANARIED = "x-canaried"
ROLE = "x-role"
"""Marks that `openapi.Blueprint` gives operations; the plugin replaces them by documentation."""
SECURITY_SCHEME = "operatorToken"

_FORCE = {
    "name": FORCE_PARAMETER,
    "in": "query",
    "description": "Choose the implementation: the domain's (true, 1) or legacy's (false, 0).",
    "schema": {"type": "string", "enum": list(FORCE_WORDS)},
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of the client's copy; the response is 304 if it is still current.",
    "schema": {"type": "string"},
}
_HEADERS = {
    "ETag": {
        "description": "Changes when the body changes, and only then; for `If-None-Match`.",
        "schema": {"type": "string"},
    },
    "Cache-Control": {
        "description": "`no-cache`: keep the response, and ask with its `ETag` before using it.",
        "schema": {"type": "string"},
    },
    "X-Canary": {
        "description": "Who answered and why: `domain; reason=rollout`, `legacy; reason=holdout`.",
        "schema": {"type": "string"},
    },
    "Age": {
        "description": "The age of the response in seconds. Sent only with an old response and its"
        " `Warning`, when both implementations fail.",
        "schema": {"type": "integer"},
    },
    "Server-Timing": {
        "description": "Milliseconds of each implementation that ran for this response.",
        "schema": {"type": "string"},
    },
    "X-Request-ID": {
        "description": "The client's id for this request, or a new one; every log line has it.",
        "schema": {"type": "string"},
    },
}
_NOT_MODIFIED = {"description": "The client's copy is still current", "headers": _HEADERS}
_REFUSALS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


class Documentation(BasePlugin):
    """Completes what flask-smorest documents; uses apispec's public plugin methods only."""

    def response_helper(self, response: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Document the body of every reusable response as a problem: all of them are errors."""
        bodies = response.get("content", {}).values()
        return {"content": dict.fromkeys([problems.MEDIA_TYPE], *bodies)} if bodies else {}

    def operation_helper(
        self,
        path: str | None = None,  # noqa: ARG002 - apispec passes it by its name
        operations: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Replace the marks of each operation by its documentation."""
        for operation in (operations or {}).values():
            if operation.pop(CANARIED, False):
                _document_canary(operation)
            if role := operation.pop(ROLE, None):
                _document_role(operation, role)


def _document_canary(operation: dict[str, Any]) -> None:
    """Add the canary's parameters, headers and errors."""
    operation.setdefault("parameters", []).extend((_FORCE, _IF_NONE_MATCH))
    response = operation["responses"][HTTPStatus.OK.value]
    response["headers"] = {**response.get("headers", {}), **_HEADERS}
    operation["responses"][HTTPStatus.NOT_MODIFIED.value] = _NOT_MODIFIED
    for status in (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE):
        operation["responses"][status.value] = status.name


def _document_role(operation: dict[str, Any], role: str) -> None:
    """Add the token that an operation needs, and the errors of a missing or wrong one."""
    operation["security"] = [{SECURITY_SCHEME: []}]
    sentences = operation.get("description", ""), f"Needs a token of role {role}."
    operation["description"] = "\n\n".join(filter(None, sentences))
    for status in _REFUSALS:
        operation["responses"][status.value] = status.name
