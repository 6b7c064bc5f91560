"""Differences between two runs of a route's implementations, without noise; pure."""

import re
from collections.abc import Iterable
from typing import Any

from detection_api.canary.comparison import (
    ComparedOutcome,
    Difference,
    Kind,
    branches_in,
    compare_outcomes,
    is_moved,
    redacted,
    segment,
    shown,
)
from detection_api.canary.contract import ContractViolationError
from detection_api.canary.serving import FailureCause, Observation, Route

_SEGMENTS = re.compile(r'\[(?:"(?:[^"\\]|\\.)*"|[^"\]]+)\]|\.[^.\[]+')
"""The segments of a JSONPath: `.name`, `.*`, `["any name"]`, `[0]`, `[*]`."""
_MOVABLE = (Kind.VALUE, Kind.NULL)


def differences(route: Route, legacy: Observation, other: Observation) -> tuple[Difference, ...]:
    """How another run differs from one of legacy's that is an answer.

    Of a run that broke its contract only where it did so counts: the rest is for a client to see
    another time, when the data may be the same.
    """
    reference, candidate = _outcome(route, legacy), _outcome(route, other)
    if other.cause is FailureCause.TIMEOUT:
        return (Difference("$", Kind.TIMEOUT, "$", reference, candidate),)
    found = compare_outcomes(route.rule, reference, candidate)
    if other.cause is None or not isinstance(other.error, ContractViolationError):
        return found
    broken = _violated(other.error.messages, "$")
    violations = tuple(d for d in found if d.structural or d.path in broken)
    return violations or (Difference("$", Kind.STATUS, "$", reference, _failure(other.error)),)


def lasting(
    found: Iterable[Difference], again: Iterable[Difference], moved: Iterable[Difference]
) -> tuple[Difference, ...]:
    """Those of `found` that are no noise.

    They were found `again`, unless they are structural, and are not explained by how legacy had
    `moved` from the first look to the second.
    """
    moved = tuple(moved)
    again_at = {(d.path, d.kind) for d in again}
    return tuple(
        d
        for d in found
        if (d.structural or (d.path, d.kind) in again_at) and not _is_noise(d, moved)
    )


def branches(route: Route, legacy: Observation) -> set[str]:
    """The branches of the contract that a run of legacy took; an error is one of its own."""
    if legacy.error is not None:
        return {f"error:{type(legacy.error).__name__}"}
    return branches_in(route.rule, _outcome(route, legacy).value)


def sample(difference: Difference, request_id: str) -> dict[str, Any]:
    """One place where the arms differed, with the values that they had there."""
    return {
        "request_id": request_id,
        "at": difference.at,
        "legacy": shown(difference.reference),
        "domain": shown(difference.candidate),
    }


def redacted_sample(difference: Difference, request_id: str) -> dict[str, Any]:
    """The same without data: types and sizes for values, `*` for the keys of maps."""
    path, at = (_SEGMENTS.findall(text) for text in (difference.path, difference.at))
    places = (here if kind == "[*]" else kind for kind, here in zip(path, at, strict=True))
    return {
        "request_id": request_id,
        "at": "$" + "".join(places),
        "legacy": redacted(difference.reference),
        "domain": redacted(difference.candidate),
    }


def _outcome(route: Route, observation: Observation) -> ComparedOutcome:
    """A run as it would be on the wire, were it not for the contract."""
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


def _failure(error: BaseException) -> ComparedOutcome:
    return ComparedOutcome(error=(type(error).__name__, str(error)))


def _violated(messages: Any, path: str) -> set[str]:
    """The paths at which marshmallow's `messages` find fault."""
    if not isinstance(messages, dict):
        return {path}
    found: set[str] = set()
    for key, below in messages.items():
        found |= _violated(below, path + ("[*]" if isinstance(key, int) else segment(key)))
    return found


def _is_noise(difference: Difference, moved: tuple[Difference, ...]) -> bool:
    """Whether data that moved explains a difference.

    Beyond `is_moved`: an object changes as a whole, so what moved beside a value explains it.
    Nothing but an empty list of legacy's own explains that the domain's is empty: who never answers
    with data must be found while the data moves.
    """
    if difference.kind is Kind.LENGTH and not difference.candidate:
        return any(
            m.path == difference.path
            and m.kind is Kind.LENGTH
            and not (m.reference and m.candidate)
            for m in moved
        )
    return is_moved(moved, difference) or (
        difference.kind in _MOVABLE
        and any(m.kind in _MOVABLE and _parent(m.path) == _parent(difference.path) for m in moved)
    )


def _parent(path: str) -> str:
    return "".join(_SEGMENTS.findall(path)[:-1])
