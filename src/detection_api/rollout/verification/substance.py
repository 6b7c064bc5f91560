"""Tells an answer with data from one that only says that there is none."""

from typing import Any

from marshmallow import Schema, fields


def has_data(schema: Schema, answer: object, echoed: frozenset[str] = frozenset()) -> bool:
    """Return whether an answer has anything but zeros, dates and the `echoed` parameters."""
    rows = answer if isinstance(answer, list) else [answer]
    if schema.many:
        echoed = frozenset()
    return any(
        _is_filled(field, row.get(field.data_key or name))
        for row in rows
        if isinstance(row, dict)
        for name, field in schema.fields.items()
        if name not in echoed
    )


def _is_filled(field: fields.Field[Any], value: object) -> bool:
    if isinstance(field, fields.Nested):
        return has_data(field.schema, value)
    if isinstance(field, fields.List) and isinstance(value, list):
        return any(_is_filled(field.inner, each) for each in value)
    return bool(value) and not isinstance(field, fields.Date)
