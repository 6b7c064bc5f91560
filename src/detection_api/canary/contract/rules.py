"""Rules that compare two answers, compiled once from a marshmallow schema; pure.

A field says in its metadata how it is compared, where that is not exactly:
`compare="ignore"` not at all; `compare="approx"` (floats) to a relative `tolerance`, 1e-6 when
not given; `ordered=False` (lists) as a bag of items.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any

import msgspec
from marshmallow import Schema, fields

DEFAULT_TOLERANCE = 1e-6

_Field = fields.Field[Any]
_encode = msgspec.msgpack.Encoder(order="sorted").encode


def fingerprint(value: Any) -> bytes:
    """The same bytes for the same JSON, whatever the order of keys; `1`, `1.0` and true differ.

    Raises RecursionError for what is nested too deep to be encoded as an answer, too.
    """
    try:
        return _encode(value)
    except (OverflowError, UnicodeEncodeError, TypeError):  # beyond 64 bits, or no UTF-8
        return b"\xc1" + json.dumps(value, sort_keys=True).encode()  # msgpack never writes C1


def canonical(rule: "Rule", value: Any) -> bytes:
    """The same bytes for values that are equal by `rule`, approximate parts left out."""
    return fingerprint(rule.project(value))


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How a value is compared."""

    nullable: bool = False
    required: bool = True
    """Whether an object always has this member."""

    @property
    def parts(self) -> Iterable["Rule"]:
        """The rules of what is in the value."""
        return ()

    @cached_property
    def exact(self) -> bool:
        """Whether only values with the same fingerprint are equal."""
        return all(part.exact for part in self.parts)

    @cached_property
    def approximate(self) -> bool:
        """Whether values with the same canonical bytes may still differ."""
        return any(part.approximate for part in self.parts)

    def project(self, value: Any) -> Any:
        """`value` without what the rule does not look at; never changes `value` itself."""
        return value


@dataclass(frozen=True, kw_only=True)
class FreeForm(Rule):
    """Any JSON: by structure, JSON type and value."""


@dataclass(frozen=True, kw_only=True)
class Ignored(Rule):
    """Not compared, be it there or not."""

    @cached_property
    def exact(self) -> bool:
        """Never: anything is equal to anything."""
        return False

    def project(self, value: Any) -> Any:  # noqa: ARG002
        """Nothing."""
        return None


@dataclass(frozen=True, kw_only=True)
class Scalar(Rule):
    """Text, a whole number or a boolean: by its JSON type and exactly."""


@dataclass(frozen=True, kw_only=True)
class Time(Rule):
    """A moment or a date: text by its format and exactly, for that is what a client reads."""


@dataclass(frozen=True, kw_only=True)
class Number(Rule):
    """A number, `1` being the same as `1.0`, to a relative `tolerance`."""

    tolerance: float = 0.0

    @cached_property
    def exact(self) -> bool:
        """Never: `1` equals `1.0`."""
        return False

    @cached_property
    def approximate(self) -> bool:
        """Where there is a tolerance."""
        return self.tolerance > 0

    def project(self, value: Any) -> Any:
        """The float that goes over the wire; nothing where numbers are approximate."""
        if type(value) not in (int, float):
            return value
        if self.approximate:
            return None
        try:
            return float(value) + 0.0  # -0.0 becomes 0.0
        except OverflowError:
            return value


@dataclass(frozen=True, kw_only=True)
class Array(Rule):
    """A list."""

    items: Rule
    ordered: bool = True

    @property
    def parts(self) -> Iterable[Rule]:
        """The rule of the items."""
        return (self.items,)

    @cached_property
    def exact(self) -> bool:
        """Whether the items are, and their order matters."""
        return self.ordered and self.items.exact

    def project(self, value: Any) -> Any:
        """The items projected, and sorted where their order does not matter."""
        if self.exact or not isinstance(value, list | tuple):
            return value
        items = [self.items.project(item) for item in value]
        return items if self.ordered else sorted(items, key=fingerprint)


@dataclass(frozen=True, kw_only=True)
class Map(Rule):
    """An object with arbitrary keys."""

    values: Rule

    @property
    def parts(self) -> Iterable[Rule]:
        """The rule of the values."""
        return (self.values,)

    def of(self, _: str) -> Rule:
        """The rule of any key's value."""
        return self.values

    def project(self, value: Any) -> Any:
        """The values projected."""
        if self.exact or not isinstance(value, dict):
            return value
        return {key: self.values.project(item) for key, item in value.items()}


@dataclass(frozen=True, kw_only=True)
class Object(Rule):
    """An object with members of its own; one that it should not have is free-form JSON."""

    members: Mapping[str, Rule]

    @property
    def parts(self) -> Iterable[Rule]:
        """The rules of the members."""
        return self.members.values()

    @cached_property
    def _inexact(self) -> tuple[tuple[str, Rule], ...]:
        return tuple((name, rule) for name, rule in self.members.items() if not rule.exact)

    def of(self, name: str) -> Rule:
        """The rule of a member."""
        return self.members.get(name, FREE_FORM)

    def project(self, value: Any) -> Any:
        """The members projected, without the ignored ones."""
        if self.exact or not isinstance(value, dict):
            return value
        projected = dict(value)
        for name, rule in self._inexact:
            if isinstance(rule, Ignored):
                projected.pop(name, None)
            elif name in projected:
                projected[name] = rule.project(projected[name])
        return projected


FREE_FORM = FreeForm()


def rules_of(schema: Schema) -> Rule:
    """The rule for answers of `schema`; a schema inside itself and unknown fields are free-form.

    Raises ValueError for metadata `compare` that the field cannot have.
    """
    return _schema_rule(schema, ())


def _schema_rule(schema: Schema, above: tuple[type[Schema], ...]) -> Rule:
    """The rule of `schema`, which is nested in the schemas `above`."""
    if type(schema) in above:
        return FREE_FORM
    above = (*above, type(schema))
    members = {
        field.data_key or name: _member(field, above) for name, field in schema.dump_fields.items()
    }
    rule = Object(members=MappingProxyType(members))
    return Array(items=rule) if schema.many else rule


def _member(field: _Field, above: tuple[type[Schema], ...]) -> Rule:
    return replace(_rule(field, above), nullable=field.allow_none, required=field.required)


def _rule(field: _Field, above: tuple[type[Schema], ...]) -> Rule:
    how = field.metadata.get("compare")
    if how == "ignore":
        return Ignored()
    if how == "approx" and isinstance(field, fields.Float):
        return Number(tolerance=field.metadata.get("tolerance", DEFAULT_TOLERANCE))
    if how is not None:
        raise ValueError(f"{field.name} is a {type(field).__name__} with compare={how!r}")
    if getattr(field, "wire_type", None) is datetime:
        return Time()
    for kind, make in _RULES:
        if isinstance(field, kind):
            return make(field, above)
    return FREE_FORM


def _nested(field: fields.Nested, above: tuple[type[Schema], ...]) -> Rule:
    rule = _schema_rule(field.schema, above)
    if field.many and not field.schema.many:
        rule = Array(items=rule)
    return _in_order(rule, field)


def _list(field: fields.List[Any], above: tuple[type[Schema], ...]) -> Rule:
    return _in_order(Array(items=_member(field.inner, above)), field)


def _in_order(rule: Rule, field: _Field) -> Rule:
    ordered = field.metadata.get("ordered", True)
    return replace(rule, ordered=ordered) if isinstance(rule, Array) else rule


def _mapping(field: fields.Mapping[Any], above: tuple[type[Schema], ...]) -> Rule:
    values = field.value_field
    return Map(values=_member(values, above) if values else FREE_FORM)


_RULES: tuple[tuple[type[_Field], Callable[[Any, tuple[type[Schema], ...]], Rule]], ...] = (
    (fields.Pluck, lambda _, __: FREE_FORM),
    (fields.Nested, _nested),
    (fields.List, _list),
    (fields.Mapping, _mapping),
    (fields.Float, lambda _, __: Number()),
    (fields.Date, lambda _, __: Time()),
    (fields.String, lambda _, __: Scalar()),
    (fields.Integer, lambda _, __: Scalar()),
    (fields.Boolean, lambda _, __: Scalar()),
)
"""The first class of a field decides."""
