"""A canaried route states its schema once, and the description has it."""

import pytest
from marshmallow import Schema, fields

from detection_api.canary import Canary
from detection_api.web.openapi import Blueprint


class Item(Schema):
    name = fields.String(required=True)


def item() -> dict[str, str]:
    return {"name": "a"}


def test_a_canaried_route_that_states_its_schema_twice_is_refused() -> None:
    view = Canary()(domain=item, legacy=item, schema=Item)(item)
    with pytest.raises(TypeError, match=r"item: state the schema once, in @canary"):
        Blueprint("items", __name__).response(200, Item)(view)
