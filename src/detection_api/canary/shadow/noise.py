"""Compare two runs of a route's implementations, and describe the differences; pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from detection_api.canary.comparison import (
    ComparedOutcome,
    Difference,
    Kind,
    branches_in,
    differences_by_place,
    redacted,
    segment,
    shown,
)
from detection_api.canary.contract import ContractViolationError
from detection_api.canary.limits import Limit
from detection_api.canary.serving import FailureCause, Observation, Route

_SEGMENTS = re.compile(r'\[(?:"(?:[^"\\]|\\.)*"|[^"\]]+)\]|\.[^.\[]+')
"""The segments of a JSONPath: `.name`, `.*`, `["any name"]`, `[0]`, `[*]`."""


def differences(route: Route, legacy: Observation, domain: Observation) -> tuple[Difference, ...]:
    """Return how the domain differs from an answer of legacy, each place by itself.

    If the domain broke its contract, only the parts that broke it count: a client gets nothing of
    the rest.
    """
    reference, candidate = outcome_of(route, legacy), outcome_of(route, domain)
    if domain.cause is FailureCause.TIMEOUT:
        return (_failed(Kind.TIMEOUT, reference, candidate),)
    found = differences_by_place(route.rule, reference, candidate)
    if domain.cause is None or not isinstance(domain.error, ContractViolationError):
        return found
    broken = _violated(domain.error.messages, "$")
    violations = tuple(d for d in found if d.structural or d.path in broken)
    return violations or (_failed(Kind.STATUS, reference, _failure(domain.error)),)


def is_beyond(difference: Difference, limits: Iterable[Limit]) -> bool:
    """Return whether a difference lies beyond what legacy could see."""
    for limit in limits:
        back_to = limit.back_to
        if back_to is None:
            return True
        if all(time is not None and time < back_to for time in difference.moments):
            return True
    return False


def beyond(found: Sequence[Difference], limits: Sequence[Limit]) -> tuple[Difference, ...]:
    """Return the differences that legacy's limits explain.

    If a list has items beyond them, the numbers beside it count these items too.
    """
    far = [d for d in found if is_beyond(d, limits)]
    if not far:
        return ()
    above = {d.moves_with.partition("[*]")[0].rpartition(".")[0] for d in far}
    beside = [
        d
        for d in found
        if d not in far
        and d.kind is Kind.VALUE
        and isinstance(d.reference, int)
        and d.path.rpartition(".")[0] in above
    ]
    return (*far, *beside)


def branches(route: Route, legacy: Observation) -> set[str]:
    """Return the branches of the contract that a run of legacy took; an error is one of its own."""
    if legacy.error is not None:
        return {f"error:{type(legacy.error).__name__}"}
    return branches_in(route.rule, outcome_of(route, legacy).value)


def sample(difference: Difference, request_id: str) -> dict[str, Any]:
    """Return one place where the arms differed, with their values."""
    return {
        "request_id": request_id,
        "at": difference.at,
        "legacy": shown(difference.reference),
        "domain": shown(difference.candidate),
    }


def redacted_sample(difference: Difference, request_id: str) -> dict[str, Any]:
    """Return the same without data: types and sizes for values, `*` for the keys of maps."""
    path, at = (_SEGMENTS.findall(text) for text in (difference.path, difference.at))
    places = (here if kind == "[*]" else kind for kind, here in zip(path, at, strict=True))
    return {
        "request_id": request_id,
        "at": "$" + "".join(places),
        "legacy": redacted(difference.reference),
        "domain": redacted(difference.candidate),
    }


def outcome_of(route: Route, observation: Observation) -> ComparedOutcome:
    """Return a run's answer as it would be on the wire without the contract's encoder."""
    error = observation.error
    if isinstance(error, ContractViolationError):
        try:
            return ComparedOutcome(value=route.contract.wire(error.value))
        except (TypeError, ValueError, RecursionError):
            return _failure(error)
    if error is not None:
        return _failure(error)
    assert observation.answer is not None
    return ComparedOutcome(value=route.contract.wire(observation.answer.value))


def _failed(kind: Kind, reference: ComparedOutcome, candidate: ComparedOutcome) -> Difference:
    return Difference("$", kind, "$", reference, candidate, places=("$",), moves_with="$")


def _failure(error: BaseException) -> ComparedOutcome:
    return ComparedOutcome(error=(type(error).__name__, str(error)))


def _violated(messages: Any, path: str) -> set[str]:
    """Return the paths at which marshmallow's `messages` report an error."""
    if not isinstance(messages, dict):
        return {path}
    found: set[str] = set()
    for key, below in messages.items():
        found |= _violated(below, path + ("[*]" if isinstance(key, int) else segment(key)))
    return found
