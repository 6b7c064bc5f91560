"""Ask one arm of a running instance, and check that the answer is its own and valid."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Flask

from detection_api.canary.comparison import ComparedOutcome
from detection_api.canary.contract import ContractViolationError
from detection_api.canary.flask import FORCE_PARAMETER
from detection_api.canary.serving import Reason, Route
from detection_api.canary.state import Arm
from detection_api.rollout.routes import routes_of
from detection_api.rollout.text import line
from detection_api.web.client import Client, Reply, UnreachableError
from detection_api.web.parameters import Parameter, parameters_of
from detection_api.web.problems import MEDIA_TYPE

_FORCED = {Arm.DOMAIN: "true", Arm.LEGACY: "false"}
_ANSWERS = (HTTPStatus.OK, HTTPStatus.NOT_FOUND)
"""The statuses of valid answers; any other status is a fault."""
_FORCED_REASONS = (Reason.FORCED.value, Reason.KILL_SWITCH.value)
_NOTHING = ComparedOutcome()
_LINK = re.compile(r'<(.+)>; rel="next"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An endpoint to verify: its route, its parameters, and the URL for given arguments."""

    endpoint: str
    route: Route
    parameters: tuple[Parameter, ...]
    url: Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """An arm's answer. `fault` says in one line why it is not valid; None if it is.

    `ms` is the time in `Server-Timing`; None if there is none. `next_page` is the URL of the page
    that follows; None if there is none.
    """

    status: int = 0
    outcome: ComparedOutcome = _NOTHING
    fault: str | None = None
    ms: float | None = None
    next_page: str | None = None

    @property
    def is_body(self) -> bool:
        """Whether it is valid and has status 200."""
        return self.fault is None and self.status == HTTPStatus.OK


class _FaultError(Exception):
    """An answer is not valid; the message says why."""


def subjects_of(app: Flask, endpoints: Collection[str]) -> tuple[Subject, ...]:
    """Return the subjects for canaried `endpoints` of `app`, valid for each of its instances."""
    urls, routes = app.url_map.bind("localhost"), routes_of(app)

    def subject(endpoint: str) -> Subject:
        def url(arguments: Mapping[str, Any]) -> str:
            return urls.build(endpoint, arguments)

        return Subject(
            endpoint=endpoint,
            route=routes[endpoint],
            parameters=parameters_of(app.view_functions[endpoint]),
            url=url,
        )

    return tuple(map(subject, endpoints))


def ask(
    client: Client, subject: Subject, arm: Arm, arguments: Mapping[str, Any], refused: str | None
) -> HttpAnswer:
    """Ask an arm. `refused` names a parameter that the arm must refuse. Never raises."""
    url = subject.url({**arguments, FORCE_PARAMETER: _FORCED[arm]})
    try:
        reply = client.get(url)
    except UnreachableError as error:
        return HttpAnswer(fault=f"{arm.value}: {error}")
    try:
        outcome = _refusal(reply, refused) if refused else _answer(reply, subject.route, arm)
    except _FaultError as error:
        return HttpAnswer(status=reply.status, fault=f"{arm.value}: {line(str(error))}")
    return HttpAnswer(
        status=reply.status,
        outcome=outcome,
        ms=None if refused else _ms(reply, arm),
        next_page=_next_page(reply),
    )


def _next_page(reply: Reply) -> str | None:
    link = _LINK.fullmatch(reply.headers.get("Link", ""))
    return link[1] if link else None


def _answer(reply: Reply, route: Route, arm: Arm) -> ComparedOutcome:
    """Return the outcome of the arm's own, valid answer; raises _FaultError for any other."""
    _require_arm(reply, arm)
    if reply.status not in _ANSWERS:
        raise _FaultError(f"answered with status {reply.status}")
    if reply.status != HTTPStatus.OK:
        return _problem(reply)
    body = _json(reply, "application/json")
    try:
        route.contract.encode(body)
    except ContractViolationError as violation:
        if arm is Arm.DOMAIN:  # legacy is the reference, whatever it answers
            raise _FaultError(f"its answer breaks the contract: {violation}") from violation
    return ComparedOutcome(value=body)


def _require_arm(reply: Reply, arm: Arm) -> None:
    """Raise _FaultError unless this arm answered because it was forced."""
    canary = reply.canary
    reason, cause = canary.get("reason"), canary.get("cause", "unknown")
    if reason is None:
        raise _FaultError(f"no X-Canary, status {reply.status}: the canary does not serve this")
    if reason == Reason.OUTAGE.value:
        raise _FaultError(f"no implementation answered ({cause}), status {reply.status}")
    if reason == Reason.FALLBACK.value:
        raise _FaultError(f"failed ({cause}), and {canary['arm']} answered instead")
    if reason == Reason.KILL_SWITCH.value and arm is Arm.DOMAIN:
        raise _FaultError("the kill switch is set: the domain cannot be forced")
    is_own = canary["arm"] == arm.value and reason in _FORCED_REASONS
    if not is_own and reason != Reason.FINISHED.value:
        raise _FaultError(
            f"{canary['arm']} answered ({reason}): force_domain was not granted;"
            " it may need an operator's token"
        )


def _refusal(reply: Reply, parameter: str) -> ComparedOutcome:
    """Return the outcome of a 422 that names `parameter`; raises _FaultError for any other."""
    if reply.status != HTTPStatus.UNPROCESSABLE_ENTITY:
        raise _FaultError(f"status {reply.status}, but {parameter} must be refused with 422")
    problem = _json(reply, MEDIA_TYPE)
    if not isinstance(problem, dict) or parameter not in (problem.get("errors") or {}):
        raise _FaultError(f"a 422 that does not name {parameter}")
    return _problem(reply)


def _problem(reply: Reply) -> ComparedOutcome:
    """Return a problem document as an outcome: its status and detail."""
    problem = _json(reply, MEDIA_TYPE)
    if not isinstance(problem, dict) or not isinstance(problem.get("detail"), str):
        raise _FaultError(f"status {reply.status} with a problem without detail")
    return ComparedOutcome(error=(str(reply.status), problem["detail"]))


def _json(reply: Reply, media_type: str) -> Any:
    if reply.headers.get_content_type() != media_type:
        raise _FaultError(f"status {reply.status} with {reply.headers.get_content_type()}")
    try:
        return msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _FaultError(f"status {reply.status} with unreadable JSON") from error


def _ms(reply: Reply, arm: Arm) -> float | None:
    """Return the arm's time in `Server-Timing`; None if there is none."""
    for metric in reply.headers.get("Server-Timing", "").split(","):
        name, _, duration = metric.strip().partition(";dur=")
        if name == arm.value:
            try:
                return float(duration)
            except ValueError:
                return None
    return None
