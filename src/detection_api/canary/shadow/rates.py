"""Compare how often the domain differs with how often legacy itself moves.

Some differences prove nothing alone, because the data moves. They are counted beside legacy's own
movement at the same path. A domain that differs clearly more often is wrong.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import exp, lgamma

from detection_api.canary.comparison import Difference, Movement

ALPHA = 1e-5
"""Probability at which answers outside their bracket are more than legacy's own."""
ALPHA_UNBRACKETED = 1e-3
"""The same for answers without a bracket: their windows overstate the domain's delay."""
MIN_UNBRACKETED = 3
ENOUGH_LOOKS = 20
"""If no middle one of so many looks at legacy lay outside its bracket, one answer outside it is
wrong."""
MAX_PLACES = 20_000
"""Counts kept; all are forgotten beyond that."""

MIN_WINDOW = 0.001
"""Seconds; an application may say that its domain is never late."""

Key = tuple[str, ...]
"""An endpoint and a path, or an endpoint, a question and a place."""


@dataclass(slots=True)
class _Counts:
    """Answers inside and outside brackets, by key: of the domain and of legacy itself."""

    answers: Counter[Key] = field(default_factory=Counter)
    looks: Counter[Key] = field(default_factory=Counter)
    domain_outside: Counter[Key] = field(default_factory=Counter)
    legacy_outside: Counter[Key] = field(default_factory=Counter)
    unbracketed: Counter[Key] = field(default_factory=Counter)
    moved: Counter[Key] = field(default_factory=Counter)
    left_out: Counter[Key] = field(default_factory=Counter)


class Rates:
    """Counts of one worker; `window` is the time in seconds that the domain may be late."""

    def __init__(self, window: float) -> None:
        self._window = max(window, MIN_WINDOW)
        self._counts = _Counts()
        self._windows: Counter[str] = Counter()
        self._new: Counter[str] = Counter()
        self._last: dict[Key, float] = {}

    def add_answer(self, endpoint: str, request: str, outside: Iterable[Difference]) -> None:
        """Count an answer of the domain that had a bracket."""
        self._count(self._counts.answers, self._counts.domain_outside, endpoint, request, outside)

    def add_look(self, endpoint: str, request: str, outside: Iterable[Difference]) -> None:
        """Count a look at legacy that lay between two others."""
        self._count(self._counts.looks, self._counts.legacy_outside, endpoint, request, outside)

    def add_pair(self, endpoint: str, seconds: float, moved: Movement | None) -> None:
        """Count two looks at the same question so far apart; `moved` is None if they are equal.

        Looks that differ count as one window: when legacy moved between them is unknown.
        """
        windows = int(seconds / self._window)
        if windows < 1:
            return
        self._windows[endpoint] += windows
        for path in {each.moves_with for each in moved.at.values()} if moved else ():
            self._counts.moved[endpoint, path] += 1
            self._counts.left_out[endpoint, path] += windows - 1

    def add_new(self, endpoint: str, delay: float) -> None:
        """Count an answer without a bracket, compared `delay` seconds after it was sent."""
        self._new[endpoint] += 1 + int(delay / self._window)

    def add_unbracketed(self, endpoint: str, path: str, at: float) -> None:
        """Count a passing difference of an answer without a bracket: one in each window."""
        key = endpoint, path
        if at - self._last.get(key, float("-inf")) >= self._window:
            self._last[key] = at
            self._counts.unbracketed[key] += 1

    def is_wrong_alone(self, endpoint: str, path: str) -> bool:
        """Return whether a single answer outside its bracket is wrong at this path."""
        counts = self._counts
        return (
            counts.looks[(endpoint,)] >= ENOUGH_LOOKS and not counts.legacy_outside[endpoint, path]
        )

    def has_moved_outside(self, endpoint: str, path: str) -> bool:
        """Return whether a middle one of three looks at legacy lay outside the others."""
        return bool(self._counts.legacy_outside[endpoint, path])

    def more_outside(self, endpoint: str, request: str, difference: Difference) -> str | None:
        """Return why the domain is outside its brackets too often; None if it is not."""
        counts = self._counts
        keys: list[tuple[Key, Key]] = [((endpoint,), (endpoint, difference.moves_with))]
        keys += [((endpoint, request), (endpoint, request, p)) for p in difference.places[:1]]
        for all_of, key in keys:
            ours = counts.domain_outside[key], counts.answers[all_of]
            legacys = counts.legacy_outside[key], counts.looks[all_of]
            if is_more(*ours, *legacys, alpha=ALPHA):
                return _reason(*ours, *legacys)
        return None

    def more_unbracketed(self, endpoint: str, path: str) -> str | None:
        """Return why passing differences are too many; None if they are not."""
        key = endpoint, path
        moved = self._counts.moved[key]
        windows = self._windows[endpoint] - self._counts.left_out[key]
        count, new = self._counts.unbracketed[key], self._new[endpoint]
        if count >= MIN_UNBRACKETED and is_more(
            count, new, moved, windows, alpha=ALPHA_UNBRACKETED
        ):
            return _reason(count, new, moved, windows)
        return None

    def _count(
        self,
        totals: Counter[Key],
        counts: Counter[Key],
        endpoint: str,
        request: str,
        outside: Iterable[Difference],
    ) -> None:
        if len(self._counts.answers) + len(counts) > MAX_PLACES:
            self._counts = _Counts()
        outside = tuple(outside)
        totals.update([(endpoint,), (endpoint, request)])
        counts.update({(endpoint, d.moves_with) for d in outside})
        counts.update({(endpoint, request, p) for d in outside for p in d.places[:1]})


def _reason(count: int, answers: int, moved: int, looks: int) -> str:
    return (
        f"differs more often than legacy moves: {count} of {answers} answers,"
        f" and legacy itself {moved} of {looks} times"
    )


def is_more(count: int, of: int, other: int, of_other: int, *, alpha: float) -> bool:
    """Return whether one share is larger than another, by Fisher's exact one-sided test."""
    if not (count and of_other) or count * of_other <= other * of:
        return False
    total, successes = of + of_other, count + other
    tail = sum(
        exp(_log_choose(successes, k) + _log_choose(total - successes, of - k) - whole)
        for whole in [_log_choose(total, of)]
        for k in range(count, min(successes, of) + 1)
    )
    return tail <= alpha


def _log_choose(n: int, k: int) -> float:
    if not 0 <= k <= n:
        return float("-inf")
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
