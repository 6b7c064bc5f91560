"""What goes out to a client for what was served; with `decorator.py` all that knows Flask."""

from collections.abc import Collection, Mapping
from http import HTTPStatus
from urllib.parse import urlencode

import xxhash
from flask import Response, current_app, request
from werkzeug.exceptions import ServiceUnavailable

from detection_api.canary import metrics
from detection_api.canary.contract import Answer
from detection_api.canary.engine import Route, Served
from detection_api.canary.last_good import Good, LastGood

RETRY_AFTER = 5
"""Seconds after which a client may try again when no implementation could answer."""
STALE = '110 - "Response is Stale"'
"""The `Warning` that RFC 5861 asks for."""


class Responder:
    """Makes responses; in an outage of what they `last` said, where that is kept.

    Query parameters that are `ignored` ask for no other answer.
    """

    def __init__(self, last: LastGood, *, ignored: Collection[str]) -> None:
        self._last = last
        self._ignored = ignored

    def respond(self, endpoint: str, route: Route, served: Served) -> Response:
        """The response, which says who answered and how long each arm took."""
        answer = served.result.answer
        if answer is not None:
            response = self._answer(endpoint, route, answer)
        else:
            response = self._stale(route, served) or _failed(served)
        response.headers["X-Canary"] = _canary_header(served)
        response.headers["Server-Timing"] = ", ".join(
            f"{o.arm.value};dur={o.seconds * 1000:.3f}" for o in served.observations
        )
        return response

    def _answer(self, endpoint: str, route: Route, answer: Answer) -> Response:
        headers: Mapping[str, str] = {}
        if route.headers is not None:
            try:
                headers = route.headers(answer.value)
            except Exception:  # noqa: BLE001 - an answer without them is better than none
                metrics.fault("headers", endpoint=endpoint)
        if route.writes:
            return _json(answer.body, headers)
        if self._last.is_on and answer.violation is None:
            self._last.keep(self._question(), Good(answer.body, headers))
        return _validated(_json(answer.body, headers), answer.body)

    def _stale(self, route: Route, served: Served) -> Response | None:
        """The last good answer to a read that no arm could answer, and its age."""
        if served.arm is not None or route.writes or not self._last.is_on:
            return None
        found = self._last.find(self._question())
        if found is None:
            return None
        good, age = found
        response = _json(good.body, {**good.headers, "Age": str(int(age)), "Warning": STALE})
        return _validated(response, good.body)

    def _question(self) -> str:
        """What a client asked for, in its own words.

        What depends on the clock, such as the last hour, is the same question a minute later.
        """
        asked = sorted(i for i in request.args.items(multi=True) if i[0] not in self._ignored)
        return f"{request.path}?{urlencode(asked)}"


def _json(body: bytes, headers: Mapping[str, str]) -> Response:
    response = Response(body, content_type="application/json")
    if headers:
        response.headers.update(headers)
    return response


def _validated(response: Response, body: bytes) -> Response:
    """Have a client that polls send its answer's tag; 304 where it would get the same bytes again.

    The tag is a strong one: both arms give the same bytes for the same facts, in every worker.
    """
    tag = xxhash.xxh3_128_hexdigest(body)
    response.headers["ETag"] = f'"{tag}"'
    response.headers["Cache-Control"] = "no-cache"
    if "HTTP_IF_NONE_MATCH" in request.environ and request.if_none_match.contains_weak(tag):
        response.status_code = HTTPStatus.NOT_MODIFIED
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
