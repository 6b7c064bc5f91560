"""Values for the parameters of an endpoint, from their declaration and the discovered data."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from marshmallow import fields

from detection_api.rollout.verification.discovery import Discovery, Stretch
from detection_api.schemas.common import Cursor
from detection_api.web.parameters import Parameter

UNKNOWN = "no-such-thing"
"""The name of no camera and no type."""
UNKNOWN_ID = 2**62
START, END, OFFSET, MINUTES = "start_time", "end_time", "offset", "minutes"
FACTS: Mapping[str, Callable[[Discovery], tuple[object, ...]]] = {
    "camera_id": lambda facts: facts.cameras,
    "violation_id": lambda facts: facts.violations,
    "event_type": lambda facts: facts.events.types if facts.events else (),
    MINUTES: lambda facts: (facts.events.minutes,) if facts.events else (),
}
"""The discovered values, by the name of the parameters that take them."""
_TYPICAL = 10
"""The typical value of a number whose range has it."""


class Value(NamedTuple):
    """A value of a parameter, and the word for it in a case's name."""

    label: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something to ask for: the required parameters, and the data that was found with them."""

    required: Mapping[str, Value]
    stretch: Stretch | None = None
    total: int = 0


def targets(parameters: tuple[Parameter, ...], facts: Discovery) -> list[Target]:
    """Return what exists to be asked for; empty if no value of a required parameter is known."""
    stretch = facts.events.stretch if facts.events else None
    found = [Target(required={}, stretch=stretch)]
    for parameter in parameters:
        if parameter.is_required:
            found = [
                _narrowed(target, parameter, value, facts)
                for target in found
                for value in _discovered(parameter, facts) or declared(parameter)
            ]
    return found


def _narrowed(target: Target, parameter: Parameter, value: Value, facts: Discovery) -> Target:
    """Narrow a target by one required parameter; a camera brings its own records along."""
    required = {**target.required, parameter.name: value}
    if parameter.fact != "camera_id":
        return Target(required=required, stretch=target.stretch, total=target.total)
    records = next((each for each in facts.records if each.camera_id == value.value), None)
    if records is None:
        return Target(required=required)
    return Target(required=required, stretch=records.stretch, total=records.total)


def unknown(parameter: Parameter) -> Value:
    """Return a well-formed value that names nothing."""
    if isinstance(parameter.field, fields.Number):
        return Value(str(UNKNOWN_ID), UNKNOWN_ID)
    if parameter.members:
        return Value(str(parameter.members[0]), parameter.members[0])
    return Value(UNKNOWN, UNKNOWN)


def known(parameter: Parameter, target: Target, facts: Discovery) -> list[Value]:
    """Return the values of an optional parameter for which there is data, the typical one first."""
    stretch, fact = target.stretch, parameter.fact
    if fact == START and stretch:
        return [Value("middle", stretch.middle)]
    if fact == END and stretch:
        return [Value("newest", stretch.newest)]
    if fact == OFFSET and target.total:
        offsets = (_TYPICAL, target.total - 1, target.total)
        return [Value(str(offset), offset) for offset in offsets]
    return _discovered(parameter, facts)


def declared(parameter: Parameter) -> list[Value]:
    """Return the values that the declaration itself names: members, bounds, and 0 between them."""
    values = list(parameter.members)
    if parameter.bounds and isinstance(parameter.field, fields.Number):
        low, high = parameter.bounds
        values += [low, *([0] if low < 0 < high else ()), high]
    return [Value(str(value), value) for value in values]


def typical(parameter: Parameter, target: Target, facts: Discovery) -> Value:
    """Return the one value of a parameter that its pairs with others are asked with."""
    if values := known(parameter, target, facts):
        return values[0]
    if parameter.bounds and isinstance(parameter.field, fields.Number):
        low, high = parameter.bounds
        middle = min(max(low, _TYPICAL), high)
        return Value(str(middle), middle)
    return unknown(parameter)


def _discovered(parameter: Parameter, facts: Discovery) -> list[Value]:
    values = FACTS[parameter.fact](facts) if parameter.fact in FACTS else ()
    return [Value(str(value), value) for value in values]


def is_identifier(parameter: Parameter) -> bool:
    """Return whether a parameter names something that exists or not."""
    return (
        isinstance(parameter.field, fields.String)
        and not isinstance(parameter.field, Cursor)
        and not parameter.members
    )


def is_known(parameter: Parameter) -> bool:
    """Return whether there are values to ask for: the declaration's own, or discovered ones."""
    if parameter.fact in FACTS or isinstance(parameter.field, Cursor):
        return True
    return parameter.fact in (START, END) or bool(declared(parameter))


def malformed(parameter: Parameter, *, in_path: bool) -> Iterator[Value]:
    """Yield values that both arms have to refuse, each for one reason."""
    field = parameter.field
    if parameter.bounds and isinstance(field, fields.Number):
        low, high = parameter.bounds
        yield from (Value(str(value), value) for value in (low - 1, high + 1))
    for kind, text in _WRONG_TEXTS:
        if isinstance(field, kind):
            yield Value(text, text)
            break
    else:
        if parameter.members:
            yield Value(UNKNOWN, UNKNOWN)
    shortest, longest = parameter.lengths
    if longest:
        yield Value("too long", "x" * (longest + 1))
    if shortest and not in_path:
        yield Value("empty", "")


_WRONG_TEXTS: tuple[tuple[type[fields.Field[Any]], str], ...] = (
    (fields.DateTime, "yesterday"),
    (fields.Boolean, "perhaps"),
    (fields.Number, "first"),
    (Cursor, "nowhere"),
)
