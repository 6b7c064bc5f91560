"""What one arm of a running instance answers, and whether that is its own and sound."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import msgspec
from flask import Flask

from detection_api.canary.comparison import ComparedOutcome
from detection_api.canary.contract import ContractViolationError
from detection_api.canary.flask import FORCE_PARAMETER, CanariedView
from detection_api.canary.serving import Reason, Route
from detection_api.canary.state import Arm
from detection_api.rollout.text import line
from detection_api.web.client import Client, Reply, UnreachableError
from detection_api.web.parameters import Parameter, parameters_of
from detection_api.web.problems import MEDIA_TYPE

_FORCED = {Arm.DOMAIN: "true", Arm.LEGACY: "false"}
_ANSWERS = (HTTPStatus.OK, HTTPStatus.NOT_FOUND)
"""Statuses that an implementation may answer with; any other is a fault."""
_ASKED_FOR = (Reason.FORCED.value, Reason.KILL_SWITCH.value)
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
    """An arm's answer; `fault` is why it proves nothing for that arm, in a line.

    `ms` is how long the arm took by its own account; None where it does not say. `next_page` is
    the URL of the page that follows; None if there is none.
    """

    status: int = 0
    outcome: ComparedOutcome = _NOTHING
    fault: str | None = None
    ms: float | None = None
    next_page: str | None = None

    @property
    def is_body(self) -> bool:
        """Whether it is what was asked for, and no error."""
        return self.fault is None and self.status == HTTPStatus.OK


class _FaultError(Exception):
    """The message is what is wrong with an answer."""


def subjects_of(app: Flask, endpoints: Collection[str]) -> tuple[Subject, ...]:
    """The canaried `endpoints` of `app`, to be verified on any instance of it."""
    urls = app.url_map.bind("localhost")

    def subject(endpoint: str) -> Subject:
        def url(arguments: Mapping[str, Any]) -> str:
            return urls.build(endpoint, arguments)

        view = cast(CanariedView, app.view_functions[endpoint])
        return Subject(
            endpoint=endpoint, route=view.canary, parameters=parameters_of(view), url=url
        )

    return tuple(map(subject, endpoints))


def ask(
    client: Client, subject: Subject, arm: Arm, arguments: Mapping[str, Any], refused: str | None
) -> HttpAnswer:
    """Ask an arm; never raises. `refused` names the parameter that it has to refuse."""
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
    """What the arm itself answered; raises _FaultError where it did not, or unsoundly."""
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
    """Raise _FaultError unless the answer is this arm's, because it was asked for."""
    canary = reply.canary
    reason, cause = canary.get("reason"), canary.get("cause", "unknown")
    if reason is None:
        raise _FaultError(f"no X-Canary, status {reply.status}: the canary does not serve this")
    if reason == Reason.OUTAGE.value:
        raise _FaultError(f"no implementation answered ({cause}), status {reply.status}")
    if reason == Reason.FALLBACK.value:
        raise _FaultError(f"failed ({cause}), and {canary['arm']} answered instead")
    if reason == Reason.KILL_SWITCH.value and arm is Arm.DOMAIN:
        raise _FaultError("the kill switch is set: nobody can ask the domain")
    is_own = canary["arm"] == arm.value and reason in _ASKED_FOR
    if not is_own and reason != Reason.FINISHED.value:
        raise _FaultError(
            f"{canary['arm']} answered ({reason}): force_domain was not granted,"
            " which may take an operator's token"
        )


def _refusal(reply: Reply, parameter: str) -> ComparedOutcome:
    """How a request was refused that had to be, because of `parameter`."""
    if reply.status != HTTPStatus.UNPROCESSABLE_ENTITY:
        raise _FaultError(f"status {reply.status} where {parameter} has to be refused with 422")
    problem = _json(reply, MEDIA_TYPE)
    if not isinstance(problem, dict) or parameter not in (problem.get("errors") or {}):
        raise _FaultError(f"a 422 that does not name {parameter}")
    return _problem(reply)


def _problem(reply: Reply) -> ComparedOutcome:
    """An error as an outcome: its status, and what it says."""
    problem = _json(reply, MEDIA_TYPE)
    if not isinstance(problem, dict) or not isinstance(problem.get("detail"), str):
        raise _FaultError(f"status {reply.status} with a problem that says nothing")
    return ComparedOutcome(error=(str(reply.status), problem["detail"]))


def _json(reply: Reply, media_type: str) -> Any:
    if reply.headers.get_content_type() != media_type:
        raise _FaultError(f"status {reply.status} with {reply.headers.get_content_type()}")
    try:
        return msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _FaultError(f"status {reply.status} with unreadable JSON") from error


def _ms(reply: Reply, arm: Arm) -> float | None:
    """What `Server-Timing` says of the arm."""
    for metric in reply.headers.get("Server-Timing", "").split(","):
        name, _, duration = metric.strip().partition(";dur=")
        if name == arm.value:
            try:
                return float(duration)
            except ValueError:
                return None
    return None
