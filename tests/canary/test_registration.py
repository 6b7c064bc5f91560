"""A wrong declaration of a canaried route fails when it is declared, and says what to change."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, Response
from marshmallow import Schema, fields

from detection_api.canary import Canary, CanarySettings
from detection_api.canary.registration import ConflictingMethodsError, InvalidRouteError

if TYPE_CHECKING:
    from decimal import Decimal


class Item(Schema):
    name = fields.String(required=True)


def data(**_: Any) -> dict[str, Any]:
    return {"name": "a"}


def response(**_: Any) -> Response:
    return Response("a")


def data_and_status(**_: Any) -> tuple[dict[str, Any], int]:
    return {"name": "a"}, 200


def data_or_response(**_: Any) -> dict[str, Any] | Response:
    return {"name": "a"}


def response_and_status(**_: Any) -> tuple[Response, int]:
    return Response("a"), 200


def unresolved(**_: Any) -> "Decimal":
    raise NotImplementedError


def pair(**_: Any) -> tuple[dict[str, str], ...]:
    return ({"name": "a"}, {"name": "b"})


RESPONSES = [response, data_and_status, data_or_response, partial(response, name="a")]


@pytest.mark.parametrize("implementation", RESPONSES)
@pytest.mark.parametrize("arm", ["domain", "legacy"])
def test_an_implementation_annotated_to_return_a_response_is_refused(
    implementation: Callable[..., Any], arm: str
) -> None:
    arms: dict[str, Any] = {"domain": data, "legacy": data, arm: implementation}
    with pytest.raises(InvalidRouteError, match=rf"@canary\({arm}=.*Return plain data"):
        Canary()(**arms, schema=Item)


def test_a_tuple_with_a_response_is_refused_under_a_schema_of_many() -> None:
    with pytest.raises(InvalidRouteError, match="Return plain data"):
        Canary()(domain=response_and_status, legacy=data, schema=Item(many=True))


def test_a_tuple_of_items_is_data_under_a_schema_of_many() -> None:
    Canary()(domain=pair, legacy=pair, schema=Item(many=True))


def test_an_annotation_that_cannot_be_resolved_is_accepted() -> None:
    Canary()(domain=unresolved, legacy=data, schema=Item)


@pytest.mark.parametrize("schema", [None, dict, {"name": str}, "Item", fields.String()])
def test_a_schema_that_is_not_marshmallows_is_refused(schema: Any) -> None:
    with pytest.raises(InvalidRouteError, match=r"schema=\.\.\.\) needs a marshmallow Schema"):
        Canary()(domain=data, legacy=data, schema=schema)


def test_a_missing_schema_is_named() -> None:
    incomplete: Any = Canary()
    with pytest.raises(TypeError, match="schema"):
        incomplete(domain=data, legacy=data)


@pytest.mark.parametrize("arm", ["domain", "legacy"])
def test_an_implementation_that_cannot_be_called_is_refused(arm: str) -> None:
    arms: dict[str, Any] = {"domain": data, "legacy": data, arm: {"name": "a"}}
    with pytest.raises(InvalidRouteError, match=rf"@canary\({arm}=\.\.\.\) needs a function"):
        Canary()(**arms, schema=Item)


def test_a_route_that_may_write_must_declare_it() -> None:
    app, canary = Flask("shop"), Canary()

    @app.post("/items")
    @canary(domain=data, legacy=data, schema=Item)
    def item() -> None:
        pass

    with pytest.raises(ConflictingMethodsError, match=r"item accepts OPTIONS, POST.*writes=True"):
        canary.init_app(app, CanarySettings(pinned={}))
