"""What goes out to a client for what was served; with `decorator.py` all that knows Flask."""

from flask import Response, current_app
from werkzeug.exceptions import ServiceUnavailable

from detection_api.canary import metrics
from detection_api.canary.contract import Answer
from detection_api.canary.engine import Route, Served

RETRY_AFTER = 5
"""Seconds after which a client may try again when no implementation could answer."""


def respond(endpoint: str, route: Route, served: Served) -> Response:
    """The response, which says who answered and how long each arm took."""
    answer = served.result.answer
    response = _answered(endpoint, route, answer) if answer else _failed(served)
    response.headers["X-Canary"] = _canary_header(served)
    response.headers["Server-Timing"] = ", ".join(
        f"{o.arm.value};dur={o.seconds * 1000:.3f}" for o in served.observations
    )
    return response


def _answered(endpoint: str, route: Route, answer: Answer) -> Response:
    response = Response(answer.body, mimetype="application/json")
    if route.headers is not None:
        try:
            response.headers.update(route.headers(answer.value))
        except Exception:  # noqa: BLE001 - an answer without them is better than none
            metrics.fault("headers", endpoint=endpoint)
    return response


def _failed(served: Served) -> Response:
    """What the application's error handlers make of an error."""
    if served.arm is None:
        error: Exception = ServiceUnavailable(retry_after=RETRY_AFTER)
    else:
        assert served.result.error is not None
        error = served.result.error
    return current_app.make_response(current_app.handle_user_exception(error))


def _canary_header(served: Served) -> str:
    arm, *why = served.labels.items()
    return "; ".join([arm[1], *(f"{name}={word}" for name, word in why)])
