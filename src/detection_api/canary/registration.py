"""Checks of a canaried route when it is declared, and of an application's routes together."""

import types
from collections.abc import Callable
from functools import partial
from typing import Any, Union, get_args, get_origin, get_type_hints

from flask import Flask
from marshmallow import Schema
from werkzeug import Response

from detection_api.canary.contract import Contract, rules_of
from detection_api.canary.serving import Implementation, Route, RouteHeaders

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class ConflictingMethodsError(Exception):
    """A canaried route accepts a method that may write, and does not declare `writes=True`."""


class InvalidRouteError(TypeError):
    """A canaried route is declared with a wrong schema or implementation."""


def route_of(
    *,
    domain: Implementation,
    legacy: Implementation | None,
    schema: Schema | type[Schema],
    deadline: float | None,
    writes: bool,
    headers: RouteHeaders | None,
) -> Route:
    """Return the route that the arguments of `@canary(...)` declare.

    Raises InvalidRouteError if an argument has the wrong type, or if an implementation's
    annotation says that it returns a response.
    """
    if not issubclass(schema if isinstance(schema, type) else type(schema), Schema):
        raise InvalidRouteError(
            f"@canary(schema=...) needs a marshmallow Schema, class or instance, not {schema!r}"
        )
    contract = Contract(schema, response_type=Response)
    _check_implementation("domain", domain, many=contract.schema.many)
    if legacy is not None:
        _check_implementation("legacy", legacy, many=contract.schema.many)
    return Route(
        domain=domain,
        legacy=legacy,
        contract=contract,
        rule=rules_of(contract.schema),
        deadline=deadline,
        writes=writes,
        headers=headers,
    )


def canaried_endpoints(app: Flask) -> set[str]:
    """Return the endpoints of `app` that the canary serves.

    Raises ConflictingMethodsError if a route accepts a method that may write and does not
    declare `writes=True`: the canary would run it twice.
    """
    routes = {
        name: view.canary for name, view in app.view_functions.items() if hasattr(view, "canary")
    }
    for rule in app.url_map.iter_rules():
        route = routes.get(rule.endpoint)
        if route is not None and not route.writes and set(rule.methods or ()) - SAFE_METHODS:
            raise ConflictingMethodsError(
                f"{rule.endpoint} accepts {', '.join(sorted(rule.methods or ()))}:"
                " declare @canary(..., writes=True)"
            )
    return set(routes)


def _check_implementation(arm: str, implementation: Any, *, many: bool) -> None:
    if not callable(implementation):
        raise InvalidRouteError(f"@canary({arm}=...) needs a function, not {implementation!r}")
    if _is_response(_return_annotation(implementation), many=many):
        name = getattr(implementation, "__qualname__", repr(implementation))
        raise InvalidRouteError(
            f"@canary({arm}={name}): by its annotation it returns a response."
            " Return plain data, not a response: the canary encodes the data by the schema."
        )


def _return_annotation(implementation: Callable[..., Any]) -> Any:
    """Return the annotation of the result, or None if it is absent or cannot be resolved."""
    while isinstance(implementation, partial):
        implementation = implementation.func
    try:
        return get_type_hints(implementation).get("return")
    except Exception:  # noqa: BLE001 - an annotation may name what is imported for type checks only
        return None


def _is_response(annotation: Any, *, many: bool) -> bool:
    """Return whether one of the annotated types is a response, or a tuple with a status."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return any(_is_response(part, many=many) for part in get_args(annotation))
    if origin is tuple:
        return not many or any(_is_response(part, many=many) for part in get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, Response)
