"""Liveness, health and metrics as a load balancer and an operator see them."""

import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from detection_api.db.replica import Replicated
from detection_api.extensions import reader
from detection_api.schemas.monitoring import HealthSchema
from tests.blueprints.conftest import MakeApp
from tests.e2e.instance import wait_for

HEALTH = "/api/v1/monitoring/health"

ClientOf = Callable[..., FlaskClient]


@pytest.fixture
def client_of(make_app: MakeApp, world: dict[str, str]) -> ClientOf:
    """Makes a client of an application of its own; keywords are environment variables."""
    return lambda **environ: make_app({**world, **environ}).test_client()


@pytest.fixture
def client(client_of: ClientOf) -> FlaskClient:
    """Of an application of its own: these tests make others, and the newest reads."""
    return client_of()


def state(client: FlaskClient) -> dict[str, str]:
    response = client.get(HEALTH)
    assert HealthSchema().validate(response.get_json()) == {}
    healthy = response.get_json()["status"] == "ok"
    assert response.status_code == (200 if healthy else 503)
    return {name: check["status"] for name, check in response.get_json()["checks"].items()}


def test_a_live_process_says_so(client: FlaskClient) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.get_data(as_text=True)) == (200, "ok\n")


def test_health_is_200_when_every_check_is_fine(client: FlaskClient) -> None:
    response = client.get(HEALTH)
    assert response.status_code == 200
    checks = state(client)
    assert checks.pop("replica") == "disabled"
    assert set(checks.values()) == {"ok"}
    assert all(check["ms"] >= 0 for check in response.get_json()["checks"].values())
    assert response.get_json()["checks"]["ingestion"]["lag_seconds"] == 0


def test_no_redis_is_no_fault_when_none_is_configured(client_of: ClientOf) -> None:
    assert state(client_of(REDIS_URL=""))["redis"] == "disabled"


@pytest.mark.parametrize(
    ("environ", "failing"),
    [
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/none"}, {"database", "ingestion"}),
        ({"REDIS_URL": "redis://127.0.0.1:1"}, {"redis"}),
        ({"EVENTS_LOG": "/nowhere/events.jsonl"}, {"event_log", "ingestion"}),
    ],
    ids=["database", "redis", "event log"],
)
def test_health_is_503_and_names_what_is_failing(
    environ: dict[str, str], failing: set[str], client_of: ClientOf
) -> None:
    checks = state(client_of(**environ))
    assert {name for name, status in checks.items() if status == "failing"} == failing


@pytest.mark.parametrize("is_there", [True, False], ids=["a replica", "one that is away"])
def test_health_says_how_the_replica_does_and_does_not_fail_for_it(
    world: dict[str, str], is_there: bool, client_of: ClientOf
) -> None:
    url = world["DATABASE_URL"] if is_there else "postgresql://127.0.0.1:1/none"
    client = client_of(DATABASE_READ_URL=url)

    def is_seen() -> bool:
        assert state(client)["database"] == "ok"
        response = client.get(HEALTH)
        assert response.status_code == 200
        found = response.get_json()["checks"]["replica"]
        return (found["status"], found.get("reason")) == (
            ("ok", None) if is_there else ("bypassed", "away")
        )

    try:
        wait_for(is_seen, "the replica has been looked at")
    finally:
        assert isinstance(reader.pool, Replicated)
        reader.pool.dispose()


def test_health_leaks_no_address_or_path(client_of: ClientOf) -> None:
    client = client_of(DATABASE_URL="postgresql://u:hunter2@127.0.0.1:1/none")
    text = client.get(HEALTH).get_data(as_text=True)
    assert "hunter2" not in text
    assert "127.0.0.1" not in text


@pytest.fixture
def appended(world: dict[str, str]) -> Iterator[Path]:
    """The event log, put back as it was afterwards."""
    log = Path(world["EVENTS_LOG"])
    before = log.stat().st_size
    yield log
    with log.open("r+b") as stream:
        stream.truncate(before)


@pytest.mark.parametrize(
    ("age", "line_end", "status"),
    [(5, "\n", "ok"), (600, "\n", "failing"), (600, "", "ok")],
    ids=["a fresh line", "an old line", "a line still being written"],
)
def test_ingestion_lag_is_the_age_of_the_oldest_line_not_ingested(
    client: FlaskClient, appended: Path, age: int, line_end: str, status: str
) -> None:
    with appended.open("a") as log:
        log.write("not an event\n")
        log.write(json.dumps({"ts": time.time() - age, "type": "A", "camera_id": "c"}) + line_end)
    found = client.get(HEALTH).get_json()["checks"]["ingestion"]
    assert found["status"] == status
    if line_end:
        assert found["lag_seconds"] == pytest.approx(age, abs=2)


def old_event(**fields: object) -> bytes:
    return json.dumps({"ts": time.time() - 600, "type": "A", "camera_id": "c", **fields}).encode()


@pytest.mark.parametrize(
    "line",
    [
        b'{"deep": %b' % (b"[" * 100_000),
        b'{"ts": 1}',
        old_event(type=None),
        old_event(camera_id=""),
        old_event(camera_id="?").replace(b"?", b"\xff"),
        old_event(evidence={"text": "x" * 2**20}),
    ],
    ids=["nested too deep", "no names", "no type", "empty camera id", "not UTF-8", "too long"],
)
def test_a_line_that_is_no_event_is_no_lag(
    client: FlaskClient, appended: Path, line: bytes
) -> None:
    with appended.open("ab") as log:
        log.write(line + b"\n")
    assert client.get(HEALTH).get_json()["checks"]["ingestion"].items() >= {
        ("status", "ok"),
        ("lag_seconds", 0),
    }
    with appended.open("ab") as log:
        log.write(old_event() + b"\n")
    assert state(client)["ingestion"] == "failing"


@pytest.mark.parametrize("line_end", [b"", b"\n"], ids=["being written", "whole"])
def test_an_enormous_line_is_not_held_in_memory(
    client: FlaskClient, appended: Path, line_end: bytes
) -> None:
    with appended.open("r+b") as log:
        log.truncate(appended.stat().st_size + 2**26)
    with appended.open("ab") as log:
        log.write(line_end)
    tracemalloc.start()
    try:
        assert state(client)["ingestion"] == "ok"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**23


def test_ingestion_is_known_however_the_path_is_spelled(
    world: dict[str, str], tmp_path: Path, client_of: ClientOf
) -> None:
    log = Path(world["EVENTS_LOG"])
    alias = tmp_path / "alias"
    alias.symlink_to(log.parent)
    for spelling in (alias / log.name, log.parent / ".." / log.parent.name / log.name):
        assert state(client_of(EVENTS_LOG=str(spelling)))["ingestion"] == "ok"


def test_a_log_nobody_follows_is_failing(tmp_path: Path, client_of: ClientOf) -> None:
    log = tmp_path / "events.jsonl"
    log.write_text("")
    assert state(client_of(EVENTS_LOG=str(log)))["ingestion"] == "failing"


def test_metrics_are_prometheus_text(client: FlaskClient) -> None:
    answer = client.get("/api/v1/cameras?force_domain=true")
    _, _, reason = answer.headers["X-Canary"].partition("reason=")
    counted = f'canary_requests_total{{arm="domain",endpoint="cameras.cameras",reason="{reason}"}}'
    wait_for(lambda: counted in client.get("/metrics").get_data(as_text=True), counted)
