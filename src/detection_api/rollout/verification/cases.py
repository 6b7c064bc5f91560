"""The requests that show whether an endpoint's arms agree, derived from its parameters; pure.

For everything that exists, each optional parameter is absent and present, at its bounds and with
each of its members; each two optional parameters are given together; pages are walked to their end.
Beside that, both arms are asked for what does not exist and for what they have to refuse.

Legacy reads the newest lines of the event log and the newest 1,000 violations only. A known
difference proves nothing, so filters stay within the newest events.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

from detection_api.rollout.verification.discovery import Discovery
from detection_api.rollout.verification.values import (
    END,
    MINUTES,
    OFFSET,
    START,
    Target,
    Value,
    declared,
    is_identifier,
    known,
    malformed,
    targets,
    typical,
    unknown,
)
from detection_api.schemas.common import Cursor
from detection_api.web.parameters import Parameter

_AGO = (
    Value("long ago", "2000-01-01T00:00:00Z"),
    Value("a day later", "2000-01-02T00:00:00Z"),
)
_PAGES = 4
"""How many pages a walk to the end of a window has."""
_LARGEST_PAGE = 1000

Values = Mapping[str, Value]
"""Values by the parameter's name."""


@dataclass(frozen=True, slots=True)
class Case:
    """A request for both arms.

    `refused` names the parameter for which both have to answer 422. A case that `is_first_page`
    has more pages, which are asked for by the links between them.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    refused: str | None = None
    is_first_page: bool = False


def plan(parameters: tuple[Parameter, ...], facts: Discovery) -> list[Case]:
    """Return the cases of an endpoint with these parameters: at least one, each of them once."""
    found: dict[frozenset[tuple[str, Any]], Case] = {}
    for case in (*_existing(parameters, facts), *_absent(parameters), *_refused(parameters)):
        found.setdefault(frozenset(case.arguments.items()), case)
    return list(found.values())


def _existing(parameters: tuple[Parameter, ...], facts: Discovery) -> Iterator[Case]:
    """Yield the cases of everything that exists; those without data have the default one."""
    for target in targets(parameters, facts):
        yield _case(target.required)
        if target.stretch or not target.required:
            questions = _Questions(parameters, target, facts)
            yield from questions.alone()
            yield from questions.windows()
            yield from questions.in_pairs()
            yield from questions.paged()


def _absent(parameters: tuple[Parameter, ...]) -> Iterator[Case]:
    """Yield cases for which there is no data."""
    required = {each.name: unknown(each) for each in parameters if each.is_required}
    yield _case(required)
    for parameter in parameters:
        if parameter.is_required:
            for value in declared(parameter):
                yield _case({**required, parameter.name: value})
        elif is_identifier(parameter):
            yield _case({**required, parameter.name: unknown(parameter)})


def _refused(parameters: tuple[Parameter, ...]) -> Iterator[Case]:
    """Yield cases with one value that is not allowed."""
    required = {each.name: unknown(each) for each in parameters if each.is_required}
    for parameter in parameters:
        for value in malformed(parameter, in_path=parameter.is_required):
            yield _case({**required, parameter.name: value}, refused=parameter.name)
    names = {parameter.fact: parameter.name for parameter in parameters}
    if START in names and END in names:
        earlier, later = _AGO
        inverted = {names[START]: later, names[END]: earlier}
        yield _case({**required, **inverted}, refused=names[END])


def _case(values: Values, *, refused: str | None = None, is_first_page: bool = False) -> Case:
    name = ", ".join(f"{parameter} {value.label}" for parameter, value in values.items())
    arguments = {parameter: value.value for parameter, value in values.items()}
    return Case(name or "default", arguments, refused, is_first_page)


class _Questions:
    """Return the cases that the optional parameters add to one target."""

    def __init__(self, parameters: tuple[Parameter, ...], target: Target, facts: Discovery) -> None:
        self._target = target
        self._facts = facts
        self._optional = [each for each in parameters if not each.is_required]
        self._by_fact = {each.fact: each for each in self._optional}
        self._largest = {
            each.name: values[-1]
            for each in self._optional
            if each.fact == "limit" and (values := declared(each))
        }

    def alone(self) -> Iterator[Case]:
        """Yield each optional parameter with each of its values."""
        for parameter in self._optional:
            for value in known(parameter, self._target, self._facts):
                yield self._within_reach({parameter.name: value}, parameter)
            for value in declared(parameter):
                yield self._case({parameter.name: value})

    def windows(self) -> Iterator[Case]:
        """Yield windows that hold all of the newest data, a part of it, and none."""
        start, end = self._by_fact.get(START), self._by_fact.get(END)
        if start is None or end is None:
            return
        ends = [_AGO]
        if stretch := self._target.stretch:
            newest = Value("newest", stretch.newest)
            ends += [(Value("oldest", stretch.oldest), newest)]
            ends += [(Value("middle", stretch.middle), newest)]
        for first, last in ends:
            window = {start.name: first, end.name: last}
            yield self._case(window)
            yield self._case({**window, **self._largest})

    def in_pairs(self) -> Iterator[Case]:
        """Yield each two optional parameters together; numbers also at their bounds."""
        paired = [each for each in self._optional if not isinstance(each.field, Cursor)]
        for one, other in combinations(paired, 2):
            both = {each.name: self._typical(each) for each in (one, other)}
            yield self._within_reach(both, one, other)
            for first, second in product(declared(one), declared(other)):
                yield self._case({one.name: first, other.name: second})

    def paged(self) -> Iterator[Case]:
        """Yield the first page of the newest data, if there are links from page to page."""
        stretch = self._target.stretch
        if stretch and any(isinstance(each.field, Cursor) for each in self._optional):
            size = -(-min(self._target.total, _LARGEST_PAGE) // _PAGES)
            limit = dict.fromkeys(self._largest, Value(str(size), size))
            yield self._case({**self._reach(), **limit}, is_first_page=True)

    def _typical(self, parameter: Parameter) -> Value:
        return typical(parameter, self._target, self._facts)

    def _within_reach(self, values: Values, *parameters: Parameter) -> Case:
        """Keep a filter to the data that legacy sees, and an offset to data that stands still."""
        if any(is_identifier(parameter) for parameter in parameters):
            return self._case({**self._reach(), **values})
        if any(parameter.fact == OFFSET for parameter in parameters):
            return self._case({**self._until(), **values})
        return self._case(values)

    def _reach(self) -> Values:
        """Return the parameters that narrow an answer to the newest data."""
        reach = dict(self._until())
        if (start := self._by_fact.get(START)) and (stretch := self._target.stretch):
            reach = {start.name: Value("oldest", stretch.oldest), **reach}
        if minutes := self._by_fact.get(MINUTES):
            reach[minutes.name] = self._typical(minutes)
        return reach

    def _until(self) -> Values:
        """Return the end of a window that no new data enters."""
        if (end := self._by_fact.get(END)) and (stretch := self._target.stretch):
            return {end.name: Value("newest", stretch.newest)}
        return {}

    def _case(self, values: Values, *, is_first_page: bool = False) -> Case:
        return _case({**self._target.required, **values}, is_first_page=is_first_page)
