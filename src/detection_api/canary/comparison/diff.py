"""Two answers to one request -> how the candidate differs from the reference; pure.

Answers are wire values, as `msgspec.to_builtins` gives them, before the contract has seen them.
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
"""Levels below which JSON is compared as a whole."""
_FREE_MAP = Map(values=FREE_FORM)
_FREE_ARRAY = Array(items=FREE_FORM)


def compare(rule: Rule, reference: Any, candidate: Any) -> tuple[Difference, ...]:
    """How `candidate` differs, each path and kind once; the reference is right by definition.

    Work is linear in the size of the answers. Raises RecursionError for what is nested too deep
    to be encoded as an answer, too.
    """
    comparison = _Comparison()
    comparison.visit(rule, _Place(), reference, candidate)
    return comparison.differences()


def compare_outcomes(
    rule: Rule, reference: ComparedOutcome, candidate: ComparedOutcome
) -> tuple[Difference, ...]:
    """Like `compare`, where either may be an error; such a difference holds the outcomes."""
    ours, theirs = reference.error, candidate.error
    if ours is None and theirs is None:
        return compare(rule, reference.value, candidate.value)
    if ours == theirs:
        return ()
    same_class = ours is not None and theirs is not None and ours[0] == theirs[0]
    kind = Kind.VALUE if same_class else Kind.STATUS
    return (Difference("$", kind, "$", reference, candidate),)


class _Place(NamedTuple):
    """Where in the answers a comparison is."""

    path: str = "$"
    at: str = "$"
    free: bool = False
    depth: int = 0

    def member(self, name: str) -> "_Place":
        here = segment(name)
        return _Place(self.path + here, self.at + here, self.free, self.depth + 1)

    def entry(self, key: str) -> "_Place":
        return _Place(self.path + ".*", self.at + segment(key), self.free, self.depth + 1)

    def item(self, index: int) -> "_Place":
        return _Place(self.path + "[*]", f"{self.at}[{index}]", self.free, self.depth + 1)


class _Comparison:
    """A walk through two answers, and the differences found on it."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, Kind], Difference] = {}
        self._counts: Counter[tuple[str, Kind]] = Counter()

    def differences(self) -> tuple[Difference, ...]:
        """The first of each path and kind, and how many there are."""
        return tuple(replace(first, count=self._counts[key]) for key, first in self._first.items())

    def visit(self, rule: Rule, place: _Place, reference: Any, candidate: Any) -> None:
        """Compare what both have at one place."""
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
        aligned = _align(
            [canonical(rule.items, item) for item in reference],
            [canonical(rule.items, item) for item in candidate],
        )
        if len(reference) != len(candidate):
            self._report(Kind.LENGTH, place, reference, candidate)
        if rule.ordered and not aligned.in_order:
            self._report(Kind.ORDER, place, reference, candidate)
        for i, j in [*aligned.others, *(aligned.equal if rule.items.approximate else ())]:
            self.visit(rule.items, place.item(i), reference[i], candidate[j])

    def _report(self, kind: Kind, place: _Place, reference: Any, candidate: Any) -> None:
        key = place.path, kind
        self._counts[key] += 1
        if key not in self._first:
            is_key = kind in (Kind.MISSING, Kind.EXTRA) and place.path.endswith(".*")
            free = place.free or is_key
            self._first[key] = Difference(
                place.path, kind, place.at, reference, candidate, free=free
            )


class _Alignment(NamedTuple):
    """Pairs of positions in two lists: of equal items, and of others while both lists have any."""

    equal: list[tuple[int, int]]
    others: list[tuple[int, int]]

    @property
    def in_order(self) -> bool:
        """Whether the equal items come in the same order in both lists."""
        return all(i < following for (i, _), (following, _) in pairwise(self.equal))


def _align(reference: Sequence[bytes], candidate: Sequence[bytes]) -> _Alignment:
    """Pair equal keys first to first, then what is left over in its order.

    What both lists end with is paired beforehand, so that a repeated item which was put in front
    does not look like another order.
    """
    tail = _common(reversed(reference), reversed(candidate))
    ends = len(reference) - tail, len(candidate) - tail
    waiting: dict[bytes, deque[int]] = defaultdict(deque)
    for i, key in enumerate(reference[: ends[0]]):
        waiting[key].append(i)
    equal, others = [], []
    for j, key in enumerate(candidate[: ends[1]]):
        if waiting[key]:
            equal.append((waiting[key].popleft(), j))
        else:
            others.append(j)
    equal += [(ends[0] + n, ends[1] + n) for n in range(tail)]
    paired = {i for i, _ in equal}
    left = (i for i in range(len(reference)) if i not in paired)
    return _Alignment(equal, list(zip(left, others, strict=False)))


def _common(one: Iterable[bytes], other: Iterable[bytes]) -> int:
    """How many items both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _is_same(reference: Any, candidate: Any) -> bool:
    """Whether two values are the same at sight, which is what most of them are."""
    return reference is candidate or (
        type(reference) is type(candidate)
        and not isinstance(reference, dict | list | tuple)
        and bool(reference == candidate)
    )


def _is_equal(rule: Rule, reference: Any, candidate: Any) -> bool:
    """Whether two values of the same form are equal."""
    if isinstance(rule, Number) and rule.approximate and isinstance(reference, int | float):
        try:
            return math.isclose(reference, candidate, rel_tol=rule.tolerance)
        except OverflowError:
            return False
    return canonical(rule, reference) == canonical(rule, candidate)


def _form(rule: Rule, value: Any) -> str:
    """Return the type of a value on the wire, as precisely as the rule distinguishes types."""
    name = type_name(value)
    if isinstance(rule, Number) and name == "integer":
        return "number"
    return form_of_text(value) if isinstance(rule, Time) and name == "string" else name
