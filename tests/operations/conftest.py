"""An application that has nothing to do with detections, over an empty database."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from flask import Flask
from marshmallow import Schema, fields
from psycopg2 import extensions

from detection_api import operations
from detection_api.canary import Canary, CanarySettings

NUMBERS = count()


class Price(Schema):
    cents = fields.Integer(required=True)


@pytest.fixture
def empty(new_database: Callable[[str], str]) -> str:
    """The URL of a database without tables."""
    return new_database(f"shop_{next(NUMBERS)}")


def create_shop(database_url: str) -> Flask:
    """A shop with one canaried route, and everything that its operators need."""
    app, canary = Flask("shop"), Canary()

    @app.get("/prices/<product>")
    @canary(
        domain=lambda product: {"cents": 435}, legacy=lambda product: {"cents": 435}, schema=Price
    )
    def price() -> None:
        """The price of a product."""

    settings = CanarySettings.from_environ({})
    operations.init_app(app, canary, database_url=database_url, settings=settings)
    return app


@pytest.fixture
def shop(empty: str) -> Iterator[Flask]:
    """The shop, whose database has no tables yet."""
    app = create_shop(empty)
    yield app
    Canary().stop(app)
    extensions.set_wait_callback(None)
