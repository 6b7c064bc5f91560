"""Judge an answer by two looks at legacy, one before it and one after it; pure.

An answer may have at each place what legacy had before or after, or a number or time between them.
Each place is judged by itself: one value's movement never explains another's difference.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from detection_api.canary.comparison.diff import differences_by_place
from detection_api.canary.comparison.differences import ComparedOutcome, Difference, Kind
from detection_api.canary.comparison.identity import moment
from detection_api.canary.comparison.json_types import form_of_text
from detection_api.canary.contract import Rule, fingerprint


@dataclass(frozen=True, slots=True)
class Movement:
    """How legacy moved between two looks: the differences by the place where they are."""

    at: Mapping[str, Difference]

    def explains(self, difference: Difference) -> bool:
        """Return whether an answer that differs from the later look lies between the looks."""
        if len(difference.places) != 1 or difference.kind in (Kind.LENGTH, Kind.ORDER):
            return not difference.structural and all(p in self.at for p in difference.places)
        moved = self.at.get(difference.places[0])
        if moved is None:
            return False
        return _is_alike(moved.reference, difference.candidate) or (
            difference.kind is Kind.VALUE
            and _is_between(moved.reference, difference.candidate, moved.candidate)
        )

    def covers(self, difference: Difference) -> bool:
        """Return whether legacy moved at a place of the difference, above it, or below it."""
        return any(self.is_at(place) for place in difference.places)

    def is_at(self, place: str) -> bool:
        """Return whether legacy moved at a place, above it, or below it."""
        return any(_is_within(place, each) or _is_within(each, place) for each in self.at)

    def is_beside(self, place: str) -> bool:
        """Return whether legacy moved at another member of the object that holds a place."""
        if place.endswith("]"):
            return False
        return any(_parent(each) == _parent(place) for each in self.at)

    def step(self, difference: Difference) -> float:
        """Return by how much a number or time moved; 0 if it did not, or is neither."""
        moved = self.at.get(difference.places[0]) if len(difference.places) == 1 else None
        if moved is None:
            return 0.0
        before, after = _number(moved.reference), _number(moved.candidate)
        return 0.0 if before is None or after is None else after - before


def movement(rule: Rule, before: ComparedOutcome, after: ComparedOutcome) -> Movement:
    """Return how legacy moved from one look to a later one."""
    found = differences_by_place(rule, before, after)
    return Movement({place: each for each in found for place in each.places})


def outside(
    found: Iterable[Difference], rule: Rule, before: ComparedOutcome, after: ComparedOutcome
) -> tuple[Difference, ...]:
    """Return those of the differences from `after` that the movement since `before` leaves open."""
    moved = movement(rule, before, after)
    return tuple(each for each in found if not moved.explains(each))


def _parent(place: str) -> str:
    return place[: max(place.rfind("."), place.rfind("["))]


def _is_within(place: str, above: str) -> bool:
    return place == above or place.startswith((f"{above}.", f"{above}[", f"{above}#"))


def _is_between(before: Any, value: Any, after: Any) -> bool:
    """Return whether a number or time lies between two others; a count begins at 0."""
    first, middle, last = map(_number, (0 if before is UNSET else before, value, after))
    if first is None or middle is None or last is None:
        return False
    return min(first, last) <= middle <= max(first, last)


def _is_alike(before: Any, value: Any) -> bool:
    if UNSET in (before, value):
        return before is value
    if isinstance(before, ComparedOutcome) and isinstance(value, ComparedOutcome):
        return before.error == value.error if before.error else value.error is None
    return fingerprint(before) == fingerprint(value)


def _number(value: Any) -> float | None:
    """Return a number, or a time in epoch seconds; None for anything else."""
    if isinstance(value, bool) or (isinstance(value, str) and form_of_text(value) == "string"):
        return None
    return moment(value)
