"""Which branches of the contract an answer takes; pure.

A branch is written `<path>:<branch>`, its path as in `comparison.py`: `$.records:empty` and
`:items` for a list or a map, `$.records[*].fps:null` and `:value` for what may be null,
`$.errors:absent` and `:present` for a member that is not required.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from detection_api.canary.comparison.json_types import segment
from detection_api.canary.contract import Array, Ignored, Map, Object, Rule


def branches_of(rule: Rule) -> frozenset[str]:
    """Every branch of the contract, but for parts that are not compared."""
    return frozenset(_declared(rule, "$"))


def branches_in(rule: Rule, value: Any) -> set[str]:
    """Those of `branches_of(rule)` that one answer takes, even if it breaks its contract."""
    return set(_taken(rule, "$", [value]))


def _declared(rule: Rule, path: str) -> Iterator[str]:
    if isinstance(rule, Ignored):
        return
    if rule.nullable:
        yield from (f"{path}:null", f"{path}:value")
    if isinstance(rule, Array):
        yield from (f"{path}:empty", f"{path}:items")
        yield from _declared(rule.items, f"{path}[*]")
    elif isinstance(rule, Map):
        yield from (f"{path}:empty", f"{path}:items")
        yield from _declared(rule.values, f"{path}.*")
    elif isinstance(rule, Object):
        for name, member in rule.members.items():
            below = path + segment(name)
            if not member.required and not isinstance(member, Ignored):
                yield from (f"{below}:absent", f"{below}:present")
            yield from _declared(member, below)


def _taken(rule: Rule, path: str, values: Sequence[Any]) -> Iterator[str]:
    """The branches that `values`, all that an answer has at `path`, take together.

    All at once, so that a path is made once and not for every item of a list.
    """
    if isinstance(rule, Ignored):
        return
    if rule.nullable:
        yield from _sides(path, ("null", "value"), (value is None for value in values))
    if isinstance(rule, Array):
        lists = [value for value in values if isinstance(value, list | tuple)]
        yield from _sides(path, ("items", "empty"), map(bool, lists))
        yield from _taken(rule.items, f"{path}[*]", list(chain.from_iterable(lists)))
    elif isinstance(rule, Map):
        maps = [value for value in values if isinstance(value, dict)]
        yield from _sides(path, ("items", "empty"), map(bool, maps))
        inside = list(chain.from_iterable(value.values() for value in maps))
        yield from _taken(rule.values, f"{path}.*", inside)
    elif isinstance(rule, Object):
        yield from _taken_by_members(rule, path, [v for v in values if isinstance(v, dict)])


def _taken_by_members(rule: Object, path: str, values: Sequence[dict[str, Any]]) -> Iterator[str]:
    for name, member in rule.members.items():
        if isinstance(member, Ignored) or (member.required and not _has_branches(member)):
            continue
        below = path + segment(name)
        if not member.required:
            yield from _sides(below, ("present", "absent"), (name in value for value in values))
        yield from _taken(member, below, [value[name] for value in values if name in value])


def _has_branches(member: Rule) -> bool:
    return member.nullable or isinstance(member, Array | Map | Object)


def _sides(path: str, sides: tuple[str, str], tests: Iterable[bool]) -> Iterator[str]:
    """The first side where any test is true, the other where any is false."""
    results = set(tests)
    return (f"{path}:{side}" for side, r in zip(sides, (True, False), strict=True) if r in results)
