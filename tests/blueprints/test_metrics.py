"""Metrics as an operator and a Prometheus see them: of the whole fleet, or honestly missing."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg2.extensions import parse_dsn

from detection_api import create_app
from detection_api.canary.state.histogram import bin_of
from detection_api.canary.state.ledger import LedgerBatch, Tally
from detection_api.canary.state.memory import MemoryStore
from detection_api.canary.state.store import Store
from detection_api.canary.state.types import Heartbeat
from detection_api.extensions import canary
from detection_api.schemas.monitoring import FleetMetricsSchema

METRICS = "/api/v1/monitoring/metrics"
NOWHERE = "postgresql://127.0.0.1:1/none"
VIOLATION = ("records.violation", "domain")
CAMERAS = ("cameras.cameras", "legacy")
STORE_DEADLINE = READ_DEADLINE = 1.0


@pytest.fixture
def make_app(world: dict[str, str]) -> Iterator[Callable[..., Flask]]:
    """Makes applications for the world with another database, and ends their threads."""
    made: list[Flask] = []

    def make(database_url: str) -> Flask:
        made.append(create_app({**world, "DATABASE_URL": database_url}))
        return made[-1]

    yield make
    for app in made:
        with app.app_context():
            canary.runtime.link.background.stop()


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"postgresql://127.0.0.1:{server.getsockname()[1]}/any"


@pytest.fixture(params=["memory", "postgresql"])
def app(request: pytest.FixtureRequest, make_app: Callable[..., Flask], database: str) -> Flask:
    """An application over an empty database, with each kind of store."""
    app = make_app(database)
    if request.param == "memory":
        put_memory_store_into(app)
    return app


def put_memory_store_into(app: Flask) -> None:
    with app.app_context():
        canary.runtime.link.store = MemoryStore()


def store_of(app: Flask) -> Store:
    with app.app_context():
        return canary.store


def tell(store: Store, worker: str, uptime: float, tallies: dict[tuple[str, str], Tally]) -> None:
    """Have a worker of the fleet send its first batch, which is all that it has counted."""
    heartbeat = Heartbeat(
        worker=worker,
        uptime=uptime,
        epochs={"records.violation": 4},
        totals=tallies,
        vitals={"memory_bytes": 50e6},
    )
    store.flush(heartbeat, 1, LedgerBatch(since=0, tallies=tallies), age=20)


def metrics(client: FlaskClient) -> dict[str, Any]:
    response = client.get(METRICS)
    assert response.status_code == 200
    assert FleetMetricsSchema().validate(response.get_json()) == {}
    found: dict[str, Any] = response.get_json()
    return found


def test_a_client_sees_what_all_workers_told_the_store(app: Flask) -> None:
    slow = {bin_of(0.25): 40}
    tell(
        store_of(app),
        "host-a:1",
        uptime=200,
        tallies={
            VIOLATION: Tally(requests=40, errors=2, timeouts=1, client_errors=4, latency=slow),
            CAMERAS: Tally(requests=60, server_errors=3),
        },
    )
    tell(store_of(app), "host-b:1", uptime=50, tallies={VIOLATION: Tally(requests=20, forced=5)})
    found = metrics(app.test_client())
    lately, since_start = found["last_5_minutes"], found["since_start"]
    assert (lately["seconds"], lately["requests"], lately["domain_share"]) == (300, 120, 0.5)
    assert lately["requests_per_second"] == pytest.approx(120 / 300)
    assert lately["server_error_rate"] == pytest.approx(3 / 120)
    legacy, domain = lately["endpoints"]
    assert ((legacy["endpoint"], legacy["arm"]), legacy["requests"]) == (CAMERAS, 60)
    assert ((domain["endpoint"], domain["arm"]), domain["requests"]) == (VIOLATION, 60)
    assert domain["failures_by_cause"] == {"error": 2, "timeout": 1, "contract": 0, "death": 0}
    assert domain["client_error_rate"] == pytest.approx(4 / 60)
    assert domain["p95_ms"] == pytest.approx(250, rel=0.05)
    assert domain["forced"] == 5
    assert since_start["seconds"] == pytest.approx(200, abs=5)
    assert since_start["requests"] == 120
    assert since_start["endpoints"][1]["p95_ms"] == domain["p95_ms"]
    assert [worker["worker"] for worker in found["workers"]] == ["host-a:1", "host-b:1"]
    assert found["workers"][0]["epochs"] == {"records.violation": 4}
    assert found["memory_bytes"] == 100_000_000


def test_a_fleet_that_nobody_asked_anything_has_metrics_too(app: Flask) -> None:
    found = metrics(app.test_client())
    assert found["last_5_minutes"]["requests"] == found["since_start"]["requests"] == 0
    assert found["last_5_minutes"]["domain_share"] is None
    assert found["workers"] == found["last_5_minutes"]["endpoints"] == []


def test_requests_are_in_the_metrics_soon_after_they_were_answered(
    make_app: Callable[..., Flask], database: str
) -> None:
    client = make_app(database).test_client()
    for identifier in (1, 2, 3, 4):
        path = f"/api/v1/records/violations/{identifier}?force_domain=true"
        assert client.get(path).status_code == 404

    def has_all() -> bool:
        return bool(metrics(client)["last_5_minutes"]["requests"] == 4)

    assert soon(has_all)
    found = metrics(client)
    (line,) = found["last_5_minutes"]["endpoints"]
    assert ((line["endpoint"], line["arm"]), line["forced"]) == (VIOLATION, 4)
    assert (line["client_error_rate"], line["server_error_rate"], line["failures"]) == (1, 0, 0)
    assert found["since_start"]["endpoints"][0]["requests"] == 4
    (worker,) = found["workers"]
    assert worker["memory_bytes"] == found["memory_bytes"] > 1 << 20


def soon(condition: Callable[[], bool]) -> bool:
    """Whether `condition` comes true within ten seconds."""
    for _ in range(100):
        if condition():
            return True
        threading.Event().wait(0.1)
    return False


@pytest.mark.parametrize("fault", ["refuses", "is silent"])
def test_metrics_are_a_503_problem_while_the_store(
    make_app: Callable[..., Flask], silent_url: str, fault: str
) -> None:
    client = make_app(NOWHERE if fault == "refuses" else silent_url).test_client()
    started = time.monotonic()
    response = client.get(METRICS)
    assert time.monotonic() - started < STORE_DEADLINE + 0.4
    assert response.status_code == 503
    assert response.content_type == "application/problem+json"
    assert int(response.headers["Retry-After"]) > 0
    assert response.get_json()["request_id"] == response.headers["X-Request-ID"]
    assert "127.0.0.1" not in response.get_data(as_text=True)


def test_metrics_are_documented_as_what_they_are(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()
    operation = document["paths"][METRICS]["get"]
    content = operation["responses"]["200"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/FleetMetrics"}
    assert operation["responses"]["503"] == {"$ref": "#/components/responses/SERVICE_UNAVAILABLE"}
    assert "force_domain" not in str(operation)
    lines = document["components"]["schemas"]["ArmMetrics"]
    assert lines["properties"]["p95_ms"]["type"] == ["number", "null"]
    assert "requests" in lines["required"]


def connections_by_hand(url: str) -> int:
    """Connections to the database at `url`, counted from another one."""
    name = parse_dsn(url)["dbname"]
    with (
        closing(psycopg2.connect(url.replace(f"/{name}?", "/postgres?", 1))) as own,
        own.cursor() as cursor,
    ):
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [name])
        (count,) = cursor.fetchone() or (0,)
        return int(count)


def scraped_connections(client: FlaskClient) -> int | None:
    response = client.get("/metrics")
    assert response.status_code == 200
    for line in response.get_data(as_text=True).splitlines():
        if line.startswith("detection_api_postgres_connections "):
            return int(float(line.split()[1]))
    return None


def test_connections_to_the_database_are_counted_by_whomever_they_are(
    make_app: Callable[..., Flask], database: str
) -> None:
    """Connections end a moment after their client is gone, so the counts are compared again."""
    client = make_app(database).test_client()
    before = metrics(client)["postgres_connections"]
    others = [psycopg2.connect(database) for _ in range(7)]

    def agree() -> bool:
        counted = connections_by_hand(database)
        told = metrics(client)["postgres_connections"]
        return bool(told == counted == scraped_connections(client))

    assert soon(agree)
    assert metrics(client)["postgres_connections"] >= 7
    for other in others:
        other.close()
    assert soon(lambda: bool(metrics(client)["postgres_connections"] <= before))


@pytest.mark.parametrize("fault", ["refuses", "is silent"])
def test_what_postgresql_does_not_say_is_missing_and_no_error_while_it(
    make_app: Callable[..., Flask], silent_url: str, fault: str
) -> None:
    app = make_app(NOWHERE if fault == "refuses" else silent_url)
    put_memory_store_into(app)
    assert metrics(app.test_client())["postgres_connections"] is None
    started = time.monotonic()
    assert scraped_connections(app.test_client()) is None
    assert time.monotonic() - started < READ_DEADLINE + 0.4


def test_a_scrape_has_the_process_and_the_canary(client: FlaskClient) -> None:
    text = client.get("/metrics").get_data(as_text=True)
    for name in ("canary_requests_total", "detection_api_memory_bytes"):
        assert f"# TYPE {name} " in text
