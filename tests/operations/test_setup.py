"""One call gives an application everything that its operators need."""

from flask import Flask, Response
from psycopg2 import extensions

from detection_api import operations
from detection_api.canary import Canary, CanarySettings
from detection_api.models.tokens import Role
from detection_api.operations import create_tables
from detection_api.rollout.extension import rollout_of
from detection_api.services.tokens import Tokens
from tests.ingest.support import wait_until


def test_a_route_is_served_as_the_store_says(shop: Flask, empty: str) -> None:
    create_tables(empty)
    client = shop.test_client()

    def reason() -> str:
        return client.get("/prices/tea").headers["X-Canary"]

    wait_until(lambda: reason() == "legacy; reason=holdout")


def test_a_route_is_served_by_legacy_while_there_are_no_tables(shop: Flask) -> None:
    response = shop.test_client().get("/prices/tea")
    assert response.status_code == 200
    assert response.headers["X-Canary"] == "legacy; reason=stale"


def test_an_operator_logs_in_to_the_console(shop: Flask, empty: str) -> None:
    create_tables(empty)
    token = Tokens(rollout_of(shop).connect).create("alice", Role.OPERATOR, by="test")
    client = shop.test_client()
    assert "flask rollout tokens create" in client.get("/console/login").text
    same_site = {"Sec-Fetch-Site": "same-origin"}
    wrong = client.post("/console/login", data={"token": "wrong"}, headers=same_site)
    assert wrong.status_code == 401
    client.post("/console/login", data={"token": token}, headers=same_site)
    page = client.get("/console/")
    assert page.status_code == 200
    assert "price" in page.text


def test_metrics_are_those_of_the_canary(shop: Flask) -> None:
    client = shop.test_client()
    client.get("/prices/tea")
    assert 'canary_requests_total{arm="legacy",endpoint="price"' in client.get("/metrics").text


def test_an_application_keeps_metrics_of_its_own(empty: str) -> None:
    app = Flask("shop")
    app.add_url_rule("/metrics", "own", lambda: Response("own"))
    settings = CanarySettings.from_environ({})
    operations.init_app(app, Canary(), database_url=empty, settings=settings)
    extensions.set_wait_callback(None)
    assert app.test_client().get("/metrics").text == "own"
