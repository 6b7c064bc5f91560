"""Strict msgspec types derived from a marshmallow schema: what its answers are on the wire.

`1.0` is no integer, NaN no number, a moment without a zone no moment, a field too many or
too few no answer. Only fields whose output msgspec writes exactly as marshmallow would are
derived; anything else raises UnderivableError.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from operator import attrgetter
from typing import Annotated, Any, Literal

import msgspec
from marshmallow import Schema, fields, missing, validate
from msgspec import Meta

_Field = fields.Field[Any]

_FLOAT_MAX = 1.7976931348623157e308
_MOMENT = Annotated[datetime, Meta(tz=True)]

_OBJECT = dict[str, Any]
_decode_json = msgspec.json.Decoder(msgspec.Raw).decode


class _AnyObject(msgspec.Struct, gc=False):
    """An object, whatever it has: members are read over."""


_decode_object = msgspec.json.Decoder(_AnyObject).decode

_SCALARS: Mapping[type[_Field], Any] = {
    fields.String: str,
    fields.Integer: int,
    fields.Float: Annotated[float, Meta(ge=-_FLOAT_MAX, le=_FLOAT_MAX)],
    fields.Boolean: bool,
    fields.Date: date,
    fields.Raw: Any,
}


class UnderivableError(Exception):
    """A part of a schema has no exact counterpart among msgspec's types."""


def derive(schema: Schema) -> Any:
    """The type of the schema's answers, for `msgspec.convert`.

    A field class of the application's own may declare `wire_type = datetime`: it then stands
    for a moment, which must be aware and in UTC and is written in RFC 3339 with `Z`.
    """
    return _schema_type(schema, ())


def _schema_type(schema: Schema, above: tuple[type[Schema], ...]) -> Any:
    """The Struct of `schema`, which is nested in the schemas `above`."""
    if type(schema) in above or any(schema._hooks.values()):
        raise UnderivableError(f"{type(schema).__name__} nests itself or has hooks")
    above = (*above, type(schema))
    struct = msgspec.defstruct(
        type(schema).__name__,
        [_member(name, field, above) for name, field in schema.dump_fields.items()],
        kw_only=True,
        forbid_unknown_fields=True,
        rename={n: f.data_key for n, f in schema.dump_fields.items() if f.data_key},
        namespace=_checks(schema.dump_fields),
    )
    return list[struct] if schema.many else struct  # type: ignore[valid-type]


def _member(name: str, field: _Field, above: tuple[type[Schema], ...]) -> Any:
    kind = _nullable_type(field, above)
    return (name, kind) if field.required else (name, kind | msgspec.UnsetType, msgspec.UNSET)


def _nullable_type(field: _Field, above: tuple[type[Schema], ...]) -> Any:
    kind = _type(field, above)
    return kind | None if field.allow_none and kind is not Any else kind


def _type(field: _Field, above: tuple[type[Schema], ...]) -> Any:
    if field.attribute or field.dump_default is not missing:
        raise UnderivableError(f"{field.name} is read from elsewhere or has a default")
    if isinstance(field, fields.Nested):
        nested = _schema_type(field.schema, above)
        return list[nested] if field.many and not field.schema.many else nested  # type: ignore[valid-type]
    if type(field) is fields.List:
        return _constrained(list[_nullable_type(field.inner, above)], field)  # type: ignore[misc]
    if type(field) is fields.Dict:
        return _constrained(_mapping(field, above), field)
    return _constrained(_scalar(field), field)


def _scalar(field: _Field) -> Any:
    if _is_moment(field):
        return _MOMENT
    if type(field) not in _SCALARS or _is_reformatted(field):
        raise UnderivableError(f"{field.name} is a {type(field).__name__} field")
    return _SCALARS[type(field)]


def _is_moment(field: _Field) -> bool:
    return getattr(field, "wire_type", None) is datetime


def _is_reformatted(field: _Field) -> bool:
    own_format = getattr(field, "format", None) not in (None, "iso")
    return own_format or any(getattr(field, name, False) for name in ("as_string", "allow_nan"))


def _mapping(field: fields.Dict, above: tuple[type[Schema], ...]) -> Any:
    if field.key_field is not None and type(field.key_field) is not fields.String:
        raise UnderivableError(f"{field.name} has keys that are not text")
    if _is_free_object(field):
        return Any  # and `_require_object` checks it: msgspec has no union with its Raw
    value = _nullable_type(field.value_field, above) if field.value_field else Any
    return dict[str, value]  # type: ignore[valid-type]


def _constrained(kind: Any, field: _Field) -> Any:
    for validator in field.validators:
        if isinstance(validator, validate.OneOf) and kind is str:
            kind = Literal[tuple(validator.choices)]
        elif isinstance(validator, validate.Range):
            kind = Annotated[kind, _range(validator)]
        elif isinstance(validator, validate.Length) and validator.equal is None:
            kind = Annotated[kind, Meta(min_length=validator.min, max_length=validator.max)]
        else:
            raise UnderivableError(f"{field.name} has a validator of its own")
    return kind


def _range(validator: validate.Range) -> Meta:
    low = "ge" if validator.min_inclusive else "gt"
    high = "le" if validator.max_inclusive else "lt"
    return Meta(**{low: validator.min, high: validator.max})


def _checks(members: Mapping[str, _Field]) -> dict[str, Callable[[Any], None]]:
    """Return the checks that types cannot express: moments are in UTC, free-form JSON is JSON."""
    checks = [(attrgetter(name), found) for name, f in members.items() if (found := _check(f))]

    def check(struct: Any) -> None:
        for value_of, require in checks:
            require(value_of(struct))

    return {"__post_init__": check} if checks else {}


def _check(field: _Field) -> Callable[[Any], None] | None:
    if _is_moment(field):
        return _require_utc
    if _is_free_object(field):
        return _require_object_or_null if field.allow_none else _require_object
    return _require_json if isinstance(field, fields.Raw) else None


def _is_free_object(field: _Field) -> bool:
    return type(field) is fields.Dict and field.value_field is None and not field.validators


def _require_utc(moment: Any) -> None:
    if getattr(moment, "tzinfo", UTC) is not UTC:
        raise ValueError(f"{moment} is not in UTC")


def _require_object_or_null(value: Any) -> None:
    if value is not None:
        _require_object(value)


def _require_object(value: Any) -> None:
    if isinstance(value, msgspec.Raw):
        _decode_object(value)
    elif isinstance(value, dict):
        msgspec.convert(value, _OBJECT)
        _require_finite(value)
    elif value is not msgspec.UNSET:
        raise ValueError(f"expected an object, got {type(value).__name__}")


def _require_json(value: Any) -> None:
    if isinstance(value, msgspec.Raw):
        _decode_json(value)
    else:
        _require_finite(value)


def _require_finite(value: Any) -> None:
    if isinstance(value, dict):
        for member in value.values():
            _require_finite(member)
    elif isinstance(value, list | tuple):
        for member in value:
            _require_finite(member)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("NaN and infinity are not JSON")
