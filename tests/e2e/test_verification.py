"""Both arms of a real gunicorn, asked over HTTP: who is broken is named, and never passes."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis

from detection_api.ingest.camera_statistics import CHANNEL
from tests.e2e.fleet import ENDPOINTS
from tests.e2e.instance import PATHS, Instance, wait_for
from tests.factory import COMMAND, World
from tests.world import arms

NOW = datetime(2025, 10, 31, 9, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def instance(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One worker, with statistics that stand still in both arms."""
    environ = {**world.environ, "WEB_CONCURRENCY": "1", "SHADOW_PERCENT": "0"}
    folder: Path = tmp_path_factory.mktemp("instance")
    with closing(psycopg2.connect(world.database_url)) as connection, connection:
        connection.cursor().execute(
            "INSERT INTO camera_statistics VALUES ('cam0', %s, 7, 7, 1, 0, 0, 24.5, 0)"
            " ON CONFLICT (camera_id) DO UPDATE SET (timestamp, total_frames, processed_frames,"
            " detected_persons, detected_hairnets, detected_handwash, avg_fps, avg_detection_time)"
            " = (excluded.timestamp, 7, 7, 1, 0, 0, 24.5, 0)",
            [NOW],
        )
    with Instance(folder, environ, app="tests.e2e.subtly_wrong_wsgi:app") as started:
        with closing(redis.Redis.from_url(world.environ["REDIS_URL"])) as publisher:
            wait_for(lambda: publisher.publish(CHANNEL, message()), "legacy listens")
        path = f"{PATHS[6]}?force_domain=false"
        wait_for(lambda: started.get(path).body["stats"]["last_detection_time"], "legacy has heard")
        yield started


def message() -> str:
    data = {"persons": 1, "fps": 24.5, "total_frames": 7, "processed_frames": 7}
    fields = {"type": "stats", "camera_id": "cam0", "timestamp": NOW.timestamp(), "data": data}
    return json.dumps(fields)


def verify(
    world: World, instance: Instance, *arguments: str, **environ: str
) -> tuple[int, dict[str, Any]]:
    """The exit code, and what is found of each endpoint."""
    ended = subprocess.run(
        [COMMAND, "verify", f"http://127.0.0.1:{instance.port}", "--json", *arguments],
        env={"DATABASE_URL": world.database_url, "ENV_FILE": "none", **environ},
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.stderr == ""
    found = json.loads(ended.stdout)
    assert found["passed"] == (ended.returncode == 0)
    return ended.returncode, {result["endpoint"]: result for result in found["endpoints"]}


def test_a_healthy_domain_passes_with_data_in_every_endpoint(
    world: World, instance: Instance
) -> None:
    code, found = verify(world, instance)
    assert {name: result["findings"] for name, result in found.items()} == {
        name: [] for name in ENDPOINTS
    }
    assert code == 0
    for result in found.values():
        assert any(case["has_data"] for case in result["cases"])
        timed = result["domain"]["count"]
        assert timed > 0
        assert result["legacy"]["count"] == timed * (len(arms(result["endpoint"])) - 1)


WRONG = {
    "statistics.daily": "default: domain: failed (error), and legacy answered instead",
    "statistics.events": "default: $.events length: legacy array(100), domain array(0)",
    "statistics.history": "default: domain: failed (contract), and legacy answered instead",
    "records.violation": "violation_id 20: domain: failed (contract), and legacy answered instead",
    "records.detection_records": "camera_id cam0: $.total value: legacy integer, domain integer",
    "cameras.cameras": "default: $.cameras order: legacy array(2), domain array(2)",
    "cameras.camera_stats": (
        "camera_id cam0: domain: failed (contract), and legacy answered instead"
    ),
}
"""What is wrong with each endpoint of `subtly_wrong_wsgi`, as an operator reads it."""


def test_every_subtly_wrong_domain_is_named_and_none_passes(
    world: World, instance: Instance
) -> None:
    instance.break_domain("subtly wrong")
    try:
        code, found = verify(world, instance)
    finally:
        instance.mend()
    assert code == 1
    compared = [endpoint for endpoint in found if len(arms(endpoint)) > 1]
    assert {found[endpoint]["verdict"] for endpoint in compared} <= {"failed"}
    for endpoint in compared:
        assert WRONG[endpoint] in found[endpoint]["findings"]


def test_what_is_accepted_is_respected(world: World, instance: Instance) -> None:
    accept = [str(COMMAND), "accepted", "add", "cameras.cameras", "$.cameras", "order"]
    environ = {"DATABASE_URL": world.database_url, "ENV_FILE": "none"}
    options = ["--reason", "alphabetical from now on", "--expires", "1d"]
    subprocess.run([*accept, *options], env=environ, check=True, capture_output=True)
    instance.break_domain("subtly wrong")
    try:
        code, found = verify(world, instance, "--endpoint", "cameras.cameras")
    finally:
        instance.mend()
    (result,) = found.values()
    assert (code, result["findings"]) == (0, [])
    reasons = ["alphabetical from now on"] * (len(arms("cameras.cameras")) - 1)
    assert result["cases"][0]["findings"] == reasons


def test_where_forcing_takes_a_token_an_operator_verifies_with_one(
    world: World, tmp_path: Path
) -> None:
    created = subprocess.run(
        [COMMAND, "tokens", "create", "ann", "--role", "operator"],
        env={"DATABASE_URL": world.database_url, "ENV_FILE": "none"},
        check=True,
        capture_output=True,
        text=True,
    )
    environ = {**world.environ, "WEB_CONCURRENCY": "1", "FORCE_DOMAIN": "token"}
    only = ("--endpoint", "records.violation")
    with Instance(tmp_path, environ) as instance:
        code, found = verify(world, instance, *only, DETECTION_API_TOKEN=created.stdout.strip())
        assert (code, found["records.violation"]["findings"]) == (0, [])
        code, found = verify(world, instance, *only)
    assert code == 1
    assert "force_domain was not granted" in found["records.violation"]["findings"][0]
