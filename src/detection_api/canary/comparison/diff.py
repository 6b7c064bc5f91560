"""Compare two answers to one request; pure.

Answers are wire values, as `msgspec.to_builtins` gives them, before the contract's encoder.
A difference has a path, JSONPath (RFC 9535) with `[*]` for any index and `.*` for any key of a
map with arbitrary keys, so that the same difference has the same path in every answer.
"""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise, takewhile
from typing import Any, NamedTuple

from msgspec import UNSET

from detection_api.canary.comparison.differences import ComparedOutcome, Difference, Kind
from detection_api.canary.comparison.identity import moment_of, names_of
from detection_api.canary.comparison.json_types import form_of_text, segment, type_name
from detection_api.canary.contract import (
    FREE_FORM,
    Array,
    FreeForm,
    Ignored,
    Map,
    Number,
    Object,
    Rule,
    Time,
    canonical,
    fingerprint,
)

MAX_DEPTH = 64
"""Levels down to which JSON is compared by its parts."""
_FREE_MAP = Map(values=FREE_FORM)
_FREE_ARRAY = Array(items=FREE_FORM)


def compare(rule: Rule, reference: Any, candidate: Any) -> tuple[Difference, ...]:
    """Return how `candidate` differs from the reference, each path and kind once.

    Work is linear in the size of the answers. Raises RecursionError for values that are nested too
    deep to be encoded as an answer.
    """
    comparison = _Comparison()
    comparison.visit(rule, _Place(), reference, candidate)
    return once(comparison.found)


def once(found: Iterable[Difference]) -> tuple[Difference, ...]:
    """Return the first difference of each path and kind, with the number of all of them."""
    first: dict[tuple[str, Kind], Difference] = {}
    counts: Counter[tuple[str, Kind]] = Counter()
    for difference in found:
        key = difference.path, difference.kind
        counts[key] += difference.count
        first.setdefault(key, difference)
    return tuple(replace(each, count=counts[key]) for key, each in first.items())


def compare_outcomes(
    rule: Rule, reference: ComparedOutcome, candidate: ComparedOutcome
) -> tuple[Difference, ...]:
    """Like `compare`, where either may be an error; such a difference holds the outcomes."""
    return once(differences_by_place(rule, reference, candidate))


def differences_by_place(
    rule: Rule, reference: ComparedOutcome, candidate: ComparedOutcome
) -> tuple[Difference, ...]:
    """Return how the outcomes differ, each place by itself."""
    ours, theirs = reference.error, candidate.error
    if ours is None and theirs is None:
        comparison = _Comparison()
        comparison.visit(rule, _Place(), reference.value, candidate.value)
        return tuple(comparison.found)
    if ours == theirs:
        return ()
    same_class = ours is not None and theirs is not None and ours[0] == theirs[0]
    kind = Kind.VALUE if same_class else Kind.STATUS
    return (Difference("$", kind, "$", reference, candidate, places=("$",), moves_with="$"),)


class _Place(NamedTuple):
    """Where in the answers a comparison is; `names` has items by their names, see `Difference`."""

    path: str = "$"
    at: str = "$"
    names: tuple[str, ...] = ("$",)
    moves_with: str | None = None
    moments: tuple[float | None, ...] = (None,)
    free: bool = False
    depth: int = 0

    def member(self, name: str) -> "_Place":
        return self._below(segment(name), segment(name), segment(name))

    def entry(self, key: str) -> "_Place":
        return self._below(".*", segment(key), segment(key))

    def item(self, index: int, name: str, item: Any) -> "_Place":
        below = self._below("[*]", f"[{index}]", name)
        time = moment_of(item)
        return below if time is None else below._replace(moments=(time,))

    def unmatched(self, names: Iterable[str], items: Iterable[Any]) -> "_Place":
        """Return this place, for items of its list that one of the answers does not have."""
        outer = self.moments[0]
        times = (moment_of(item) for item in items)
        if self.moves_with:
            return self
        return self._replace(
            names=tuple(above + name for name in names for above in self.names),
            moves_with=self.path,
            moments=tuple(outer if time is None else time for time in times),
        )

    def _below(self, path: str, at: str, name: str) -> "_Place":
        return self._replace(
            path=self.path + path,
            at=self.at + at,
            names=self.names if self.moves_with else tuple(above + name for above in self.names),
            depth=self.depth + 1,
        )


class _Comparison:
    """A walk through two answers, and the differences found on it."""

    def __init__(self) -> None:
        self.found: list[Difference] = []

    def visit(self, rule: Rule, place: _Place, reference: Any, candidate: Any) -> None:
        """Compare the two values at one place."""
        if isinstance(rule, Ignored) or _is_same(reference, candidate):
            return
        if isinstance(rule, FreeForm):
            place = place._replace(free=True)
        if reference is None or candidate is None:
            self._report(Kind.NULL, place, reference, candidate)
        elif _form(rule, reference) != _form(rule, candidate):
            self._report(Kind.TYPE, place, reference, candidate)
        elif isinstance(reference, dict) and place.depth < MAX_DEPTH:
            self._visit_members(rule, place, reference, candidate)
        elif isinstance(reference, list | tuple) and place.depth < MAX_DEPTH:
            self._visit_items(rule, place, reference, candidate)
        elif not _is_equal(rule, reference, candidate):
            self._report(Kind.VALUE, place, reference, candidate)

    def _visit_members(
        self, rule: Rule, place: _Place, reference: dict[str, Any], candidate: dict[str, Any]
    ) -> None:
        rule = rule if isinstance(rule, Object | Map) else _FREE_MAP
        step = place.member if isinstance(rule, Object) else place.entry
        for name in {**reference, **candidate}:
            ours, theirs = reference.get(name, UNSET), candidate.get(name, UNSET)
            if ours is not UNSET and theirs is not UNSET:
                if not _is_same(ours, theirs):
                    self.visit(rule.of(name), step(name), ours, theirs)
            elif not isinstance(rule.of(name), Ignored):
                kind = Kind.EXTRA if ours is UNSET else Kind.MISSING
                self._report(kind, step(name), ours, theirs)

    def _visit_items(
        self, rule: Rule, place: _Place, reference: Sequence[Any], candidate: Sequence[Any]
    ) -> None:
        if fingerprint(reference) == fingerprint(candidate):
            return
        rule = rule if isinstance(rule, Array) else _FREE_ARRAY
        names = names_of(rule.items, reference), names_of(rule.items, candidate)
        aligned = _align(
            [canonical(rule.items, item) for item in reference],
            [canonical(rule.items, item) for item in candidate],
            names,
        )
        alone = aligned.alone(names, (reference, candidate))
        if len(reference) != len(candidate):
            self._report(Kind.LENGTH, place.unmatched(*alone), reference, candidate)
        if rule.ordered and not aligned.in_order:
            ordered = place._replace(names=tuple(f"{name}#order" for name in place.names))
            self._report(Kind.ORDER, ordered, reference, candidate)
        pairs = [*aligned.named, *(aligned.equal if rule.items.approximate else ())]
        for i, j in pairs:
            here = place.item(i, names[0][i], reference[i])
            self.visit(rule.items, here, reference[i], candidate[j])
        for i, j in aligned.others:
            here = place.unmatched((names[0][i], names[1][j]), (reference[i], candidate[j]))
            below = here._replace(
                path=f"{place.path}[*]", at=f"{place.at}[{i}]", depth=place.depth + 1
            )
            self.visit(rule.items, below, reference[i], candidate[j])

    def _report(self, kind: Kind, place: _Place, reference: Any, candidate: Any) -> None:
        is_key = kind in (Kind.MISSING, Kind.EXTRA) and place.path.endswith(".*")
        self.found.append(
            Difference(
                place.path,
                kind,
                place.at,
                reference,
                candidate,
                free=place.free or is_key,
                places=place.names,
                moves_with=place.moves_with or place.path,
                moments=place.moments,
            )
        )


class _Alignment(NamedTuple):
    """Pairs of positions in two lists: of equal items, of items with the same name, and of others.

    Others are paired in their order while both lists have any; `left` are all their positions.
    """

    equal: list[tuple[int, int]]
    named: list[tuple[int, int]]
    left: tuple[list[int], list[int]]

    @property
    def others(self) -> list[tuple[int, int]]:
        """Pairs of items that have no counterpart."""
        return list(zip(*self.left, strict=False))

    @property
    def in_order(self) -> bool:
        """Whether the equal items come in the same order in both lists."""
        return all(i < following for (i, _), (following, _) in pairwise(self.equal))

    def alone(
        self, names: tuple[Sequence[str], Sequence[str]], items: tuple[Sequence[Any], Sequence[Any]]
    ) -> tuple[list[str], list[Any]]:
        """Return the names and the values of the items that have no counterpart."""
        left = [(side, index) for side in (0, 1) for index in self.left[side]]
        return [names[s][i] for s, i in left], [items[s][i] for s, i in left]


def _align(
    reference: Sequence[bytes],
    candidate: Sequence[bytes],
    names: tuple[Sequence[str], Sequence[str]],
) -> _Alignment:
    """Pair items with equal bytes first to first, then those with the same name.

    The common end of both lists is paired beforehand, so that a repeated item which was put in
    front does not look like another order.
    """
    tail = _common(reversed(reference), reversed(candidate))
    ends = len(reference) - tail, len(candidate) - tail
    equal, *left = _pair(reference[: ends[0]], candidate[: ends[1]])
    equal += [(ends[0] + n, ends[1] + n) for n in range(tail)]
    found, ours, theirs = _pair([names[0][i] for i in left[0]], [names[1][j] for j in left[1]])
    named = [(left[0][i], left[1][j]) for i, j in found]
    rest = [left[0][i] for i in ours], [left[1][j] for j in theirs]
    return _Alignment(equal, named, rest)


def _pair(
    reference: Sequence[Any], candidate: Sequence[Any]
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Return pairs of positions with equal keys, and the positions left over in each list."""
    waiting: dict[Any, deque[int]] = defaultdict(deque)
    for i, key in enumerate(reference):
        waiting[key].append(i)
    pairs, theirs = [], []
    for j, key in enumerate(candidate):
        if waiting[key]:
            pairs.append((waiting[key].popleft(), j))
        else:
            theirs.append(j)
    return pairs, sorted(i for left in waiting.values() for i in left), theirs


def _common(one: Iterable[bytes], other: Iterable[bytes]) -> int:
    """Return how many items both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _is_same(reference: Any, candidate: Any) -> bool:
    """Return whether two values are the same at sight, as most are."""
    return reference is candidate or (
        type(reference) is type(candidate)
        and not isinstance(reference, dict | list | tuple)
        and bool(reference == candidate)
    )


def _is_equal(rule: Rule, reference: Any, candidate: Any) -> bool:
    """Return whether two values of the same form are equal."""
    if isinstance(rule, Number) and rule.approximate and isinstance(reference, int | float):
        try:
            return math.isclose(reference, candidate, rel_tol=rule.tolerance)
        except OverflowError:
            return False
    return canonical(rule, reference) == canonical(rule, candidate)


def _form(rule: Rule, value: Any) -> str:
    """Return the type of a value that a client sees, as far as the rule tells types apart."""
    name = type_name(value)
    if isinstance(rule, Number) and name == "integer":
        return "number"
    return form_of_text(value) if isinstance(rule, Time) and name == "string" else name
