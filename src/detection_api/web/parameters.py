"""The parameters of a route, as its schemas declare them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, fields, validate

TAKES = "takes"
"""A field's metadata that names the known values it takes, where its own name does not."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter in the path or the query of a route."""

    name: str
    field: fields.Field[Any]

    @property
    def is_required(self) -> bool:
        """Return whether every request has the parameter."""
        return self.field.required

    @property
    def fact(self) -> str:
        """Return the name of its known values, `camera_id` for example."""
        return str(self.field.metadata.get(TAKES, self.name))

    @property
    def bounds(self) -> tuple[Any, Any] | None:
        """Return the lowest and the highest value; None without a range that has both."""
        for check in self.field.validators:
            if isinstance(check, validate.Range) and None not in (check.min, check.max):
                return check.min, check.max
        return None

    @property
    def lengths(self) -> tuple[int, int | None]:
        """Return the least and the greatest length of its text; None for any length."""
        for check in self.field.validators:
            if isinstance(check, validate.Length):
                return check.min or 0, check.max
        return 0, None

    @property
    def members(self) -> tuple[Any, ...]:
        """Return every value of an enumeration or a boolean; empty for other parameters."""
        if isinstance(self.field, fields.Boolean):
            return ("true", "false")
        for check in self.field.validators:
            if isinstance(check, validate.OneOf):
                return tuple(check.choices)
        return ()


def declare(view: Callable[..., Any], location: str, schema: Schema) -> None:
    """Record on a view that it loads `schema` from `location`."""
    declared: Mapping[str, Schema] = getattr(view, "parameters", {})
    view.parameters = {**declared, location: schema}  # type: ignore[attr-defined]


def parameters_of(view: Callable[..., Any]) -> tuple[Parameter, ...]:
    """Return the parameters that a view declares, the path's first."""
    declared: Mapping[str, Schema] = getattr(view, "parameters", {})
    return tuple(
        Parameter(field.data_key or name, field)
        for location in ("path", "query")
        if location in declared
        for name, field in declared[location].fields.items()
    )
