"""Make the response for a result; only this module and `flask.py` know Flask."""

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import xxhash
from flask import Response, current_app, request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.wsgi import ClosingIterator

from detection_api.canary import metrics
from detection_api.canary.contract import Answer, ResponseReturnedError
from detection_api.canary.serving import (
    NOBODY,
    FailureCause,
    Good,
    LastGood,
    Observation,
    Reason,
    Result,
    Route,
    RouteHeaders,
)
from detection_api.canary.state import Arm

RETRY_AFTER = 5
"""Seconds after which a client may try again when no implementation could answer."""
Header = tuple[str, str]
_NONE: Mapping[str, str] = {}
STALE = '110 - "Response is Stale"'
"""The `Warning` that RFC 5861 asks for."""


class Responder:
    """Makes responses; in an outage of what they `last` said, where that is kept.

    Query parameters that are `ignored` ask for no other answer.
    """

    def __init__(self, last: LastGood, *, ignored: Collection[str]) -> None:
        self._last = last
        self._ignored = ignored

    def respond(self, endpoint: str, route: Route, served: Result) -> Response:
        """The response, which says who answered and how long each arm took."""
        said = (
            ("X-Canary", _words(served.arm, served.reason, served.cause)),
            ("Server-Timing", _timing(served.observations)),
        )
        answer = served.observations[-1].answer
        if answer is None:
            response = self._stale(route, served) or _failed(served)
            response.headers.extend(said)
            return response
        violation = answer.violation
        if violation is not None and isinstance(violation, ResponseReturnedError):
            response = current_app.make_response(answer.value)
            response.headers.extend(said)
            return response
        own = _NONE if route.headers is None else _own(endpoint, route.headers, answer)
        headers = (*own.items(), *said)
        if route.writes:
            return Json(answer.body, headers)
        if self._last.is_on and violation is None:
            self._last.keep(self._question(), Good(answer.body, own))
        return validated(answer.body, headers)

    def _stale(self, route: Route, served: Result) -> Response | None:
        """The last good answer to a read that no arm could answer, and its age."""
        if served.arm is not None or route.writes or not self._last.is_on:
            return None
        found = self._last.find(self._question())
        if found is None:
            return None
        good, age = found
        told = {**good.headers, "Age": str(int(age)), "Warning": STALE}
        return validated(good.body, told.items())

    def _question(self) -> str:
        """Return the path and the query as the client sent them.

        What depends on the clock, such as the last hour, is the same question a minute later.
        """
        asked = sorted(i for i in request.args.items(multi=True) if i[0] not in self._ignored)
        return f"{request.path}?{urlencode(asked)}"


class Json(Response):
    """A `body` of JSON, with `headers` beside those that it needs itself."""

    def __init__(self, body: bytes, headers: Iterable[Header]) -> None:
        needed = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        super().__init__([body], HTTPStatus.OK, Headers([*needed, *headers]))

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """As Werkzeug, which would look through a whole answer for what it has to mend."""
        if self.status_code != HTTPStatus.OK or environ["REQUEST_METHOD"] == "HEAD":
            return super().__call__(environ, start_response)
        start_response(self.status, self.headers.to_wsgi_list())
        return ClosingIterator(self.response, self.close)  # type: ignore[arg-type]


def validated(body: bytes, headers: Iterable[Header]) -> Response:
    """JSON with its tag, for clients that poll: 304 where one would get the same bytes again.

    The tag is a strong one: both arms give the same bytes for the same facts, in every worker.
    """
    tag = xxhash.xxh3_128_hexdigest(body)
    tagged = (("ETag", f'"{tag}"'), ("Cache-Control", "no-cache"), *headers)
    response = Json(body, tagged)
    if "HTTP_IF_NONE_MATCH" in request.environ and request.if_none_match.contains_weak(tag):
        response.status_code = HTTPStatus.NOT_MODIFIED
    return response


def _failed(served: Result) -> Response:
    """Return the response of the application's error handlers to an error."""
    if served.arm is None:
        error: Exception = ServiceUnavailable(retry_after=RETRY_AFTER)
    else:
        assert isinstance(served.result.error, Exception), "it is one of `answers`"
        error = served.result.error
    return current_app.make_response(current_app.handle_user_exception(error))


def _own(endpoint: str, headers: RouteHeaders, answer: Answer) -> Mapping[str, str]:
    """The headers that a route adds to an answer, which is better without them than none."""
    try:
        return headers(answer.value)
    except Exception:  # noqa: BLE001 - its own fault must not become the client's
        metrics.fault("headers", endpoint=endpoint)
        return _NONE


@cache
def labels(arm: Arm | None, reason: Reason, cause: FailureCause | None) -> Mapping[str, str]:
    """Arm, reason and cause, if there is one, in words for logs."""
    told = {"arm": arm or NOBODY, "reason": reason}
    return {**told, "cause": cause} if cause else told


@cache
def _words(arm: Arm | None, reason: Reason, cause: FailureCause | None) -> str:
    """Who answered and why, as `X-Canary` says it."""
    why = f"{arm or NOBODY}; reason={reason}"
    return f"{why}; cause={cause}" if cause else why


def _timing(observations: Iterable[Observation]) -> str:
    """How long each arm took, as `Server-Timing` says it."""
    told = ""
    for seen in observations:
        told += ", " + seen.arm + f";dur={seen.seconds * 1000:.3f}"
    return told[2:]
