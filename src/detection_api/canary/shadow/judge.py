"""Judge the answer of the domain by the looks at legacy around it: read `Judge.first` first.

A difference is noise only if legacy itself moved at that place, between a look before the answer
and one after it, and the answer lies between them. Other differences are looked at again. They are
wrong if they persist where legacy stood still, or if they come more often than legacy moves.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from detection_api.canary.comparison import (
    ComparedOutcome,
    Difference,
    Kind,
    Movement,
    differences_by_place,
    movement,
    outside,
)
from detection_api.canary.contract import Rule
from detection_api.canary.shadow.history import LegacyHistory, Look, Question
from detection_api.canary.shadow.rates import Rates

MAX_PENDING = 20
"""Answers outside their bracket, by endpoint, that wait for more looks at legacy."""


@dataclass(frozen=True, slots=True)
class Bracket:
    """How legacy moved around an answer; None where no look precedes it.

    `others` is the movement since a look for another client: it never explains a difference.
    """

    own: Movement | None = None
    others: Movement | None = None

    def knows(self, difference: Difference) -> bool:
        """Return whether the place was there before the answer, for this client or still."""
        if self.own is not None:
            is_new = self.own.covers(difference) and not any(
                place in self.own.at for place in difference.places
            )
            return not is_new
        return self.others is not None and not self.others.covers(difference)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """Differences of a first pass that need a second one, and the look that they differ from."""

    found: tuple[Difference, ...]
    look: Look
    bracket: Bracket
    counts: bool
    """Whether the answer counts among those that had a bracket."""
    is_new: bool
    """Whether no look at this question precedes the answer."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A difference that is wrong, with the reason if it is not that it persists."""

    difference: Difference
    reason: str = ""


class Judge:
    """Judges for one worker; a domain may see a change `settle` seconds after legacy."""

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._history = LegacyHistory(settle)
        self._rates = Rates(settle)
        self._pending: dict[str, deque[tuple[str, Difference]]] = {}

    def remember(self, question: Question, rule: Rule, look: Look) -> None:
        """Remember a look at legacy, and count how legacy moved before it."""
        looks = self._history.add(question, look)
        if len(looks) > 1:
            self.pair(question, rule, looks[-2], look)
        if len(looks) > 2:  # noqa: PLR2004 - a look between two others
            first, middle, last = (each.outcome for each in looks)
            found = differences_by_place(rule, last, middle)
            self._rates.add_look(
                question.endpoint, question.request, outside(found, rule, first, last)
            )

    def pair(self, question: Question, rule: Rule, before: Look, after: Look) -> None:
        """Count how legacy moved between two looks."""
        moved = None if before.equals(after) else movement(rule, before.outcome, after.outcome)
        self._rates.add_pair(question.endpoint, after.at - before.at, moved)

    def first(
        self,
        question: Question,
        rule: Rule,
        found: tuple[Difference, ...],
        look: Look,
        *,
        at: float,
        sent: ComparedOutcome | None = None,
    ) -> Unclear:
        """Return the differences from a look after the answer that movement does not explain.

        The domain answered `at`, and `sent` is legacy's answer before it, if legacy answered.
        """
        before = self._history.before(question, at - self._settle)
        bracket = self._bracket(question, rule, before, look, at) if found else Bracket()
        moved = [bracket.own] if bracket.own else []
        if sent is not None and found:
            moved.append(movement(rule, sent, look.outcome))
        unclear = tuple(d for d in found if not any(m.explains(d) for m in moved))
        counts = before is not None and self._history.is_due(question, at)
        if counts and not unclear:
            self._rates.add_answer(question.endpoint, question.request, ())
        if before is None:
            self._rates.add_new(question.endpoint, look.at - at + self._settle)
        return Unclear(
            found=unclear, look=look, bracket=bracket, counts=counts, is_new=before is None
        )

    def second(
        self,
        question: Question,
        rule: Rule,
        first: Unclear,
        again: Iterable[Difference],
        look: Look,
    ) -> list[Wrong]:
        """Return the differences that are wrong, after a second look at both arms."""
        moved = movement(rule, first.look.outcome, look.outcome)
        self.pair(question, rule, first.look, look)
        places = {place for each in again for place in each.places}
        again_at = [d for d in first.found if _persists(d, places, moved)]
        lasting = [d for d in again_at if self._is_certain(question.endpoint, d, moved)]
        passing = [d for d in first.found if d not in lasting]
        for difference in again_at:
            if difference not in lasting:
                self._wait(question, difference)
        if first.counts:
            known = [d for d in first.found if first.bracket.knows(d)]
            self._rates.add_answer(question.endpoint, question.request, known)
        wrong = [Wrong(d) for d in lasting]
        return wrong + [
            found for d in passing if (found := self._passing(question, first, d, moved))
        ]

    def overdue(self, endpoint: str) -> list[Wrong]:
        """Return earlier answers outside their bracket that are wrong as legacy is known now."""
        wrong, waiting = [], deque[tuple[str, Difference]](maxlen=MAX_PENDING)
        for request, difference in self._pending.get(endpoint, ()):
            if self._rates.is_wrong_alone(endpoint, difference.moves_with):
                wrong.append(Wrong(difference, _ALONE))
            elif not self._rates.has_moved_outside(endpoint, difference.moves_with):
                waiting.append((request, difference))
        self._pending[endpoint] = waiting
        return wrong

    def _bracket(
        self, question: Question, rule: Rule, before: Look | None, look: Look, at: float
    ) -> Bracket:
        if before is not None:
            return Bracket(own=movement(rule, before.outcome, look.outcome))
        others = self._history.before_by_anyone(question, at - self._settle)
        if others is None:
            return Bracket()
        return Bracket(others=movement(rule, others.outcome, look.outcome))

    def _is_certain(self, endpoint: str, difference: Difference, moved: Movement) -> bool:
        """Return whether a difference that is there again is wrong.

        A value that goes up and down can be the same in two looks. Until legacy is known well, it
        is taken for such a value if its neighbours moved.
        """
        if self._rates.is_wrong_alone(endpoint, difference.moves_with):
            return True
        if self._rates.has_moved_outside(endpoint, difference.moves_with):
            return False
        return not any(moved.is_beside(place) for place in difference.places)

    def _wait(self, question: Question, difference: Difference) -> None:
        """Have a difference judged when legacy is known better."""
        pending = self._pending.setdefault(question.endpoint, deque(maxlen=MAX_PENDING))
        pending.append((question.request, difference))

    def _passing(
        self, question: Question, first: Unclear, difference: Difference, moved: Movement
    ) -> Wrong | None:
        """Judge a difference that did not persist by how often legacy moves."""
        endpoint, path = question.endpoint, difference.moves_with
        if not first.bracket.knows(difference):
            self._rates.add_unbracketed(endpoint, path, first.look.at)
            reason = self._rates.more_unbracketed(endpoint, path)
            return Wrong(difference, reason) if reason else None
        if _is_steady(difference, first.bracket.own, moved):
            if self._rates.is_wrong_alone(endpoint, path):
                return Wrong(difference, _ALONE)
            self._wait(question, difference)
        reason = self._rates.more_outside(endpoint, question.request, difference)
        return Wrong(difference, reason) if reason else None


_ALONE = "legacy stood still, or moved past it: it never had this value between two looks"


def _persists(difference: Difference, again: set[str], moved: Movement) -> bool:
    """Return whether a difference is there again at a place where legacy stood still."""
    if difference.kind is Kind.ORDER and moved.covers(difference):
        return False
    return any(place in again and not moved.is_at(place) for place in difference.places)


def _is_steady(difference: Difference, before: Movement | None, after: Movement) -> bool:
    """Return whether legacy stood still around an answer, or moved on in one direction."""
    if before is None or not before.covers(difference):
        return not after.covers(difference)
    steps = [movement.step(difference) for movement in (before, after)]
    return steps[0] * steps[1] > 0
