"""The peers do what detection-api does; otherwise being faster than them would mean nothing."""

import pytest
import requests
from benchmarks.stage import Server
from benchmarks.world import NEWEST_VIOLATIONS, VIOLATIONS

PEERS = ("peer-fastapi", "peer-fastapi-typed", "peer-fastapi-tuned")
RECORDS = "/api/v1/records/detection-records"
STATISTICS = "/api/v1/statistics"
PATHS = (
    f"{RECORDS}/cam0",
    f"{RECORDS}/cam1?limit=3&offset=5",
    f"{RECORDS}/cam1?offset=1000000",
    f"{RECORDS}/cam1?offset=1001&limit=1",
    f"{RECORDS}/cam1?offset=900&limit=1",
    f"{RECORDS}/cam1?limit=1000",
    f"{RECORDS}/nobody",
    f"{RECORDS}/cam0?start_time=2026-01-01T00:00:00Z&end_time=2100-01-01T00:00:00Z&limit=2",
    f"{RECORDS}/cam0?end_time=2000-01-01T00:00:00Z",
    f"/api/v1/records/violations/{VIOLATIONS}",
    f"/api/v1/records/violations/{VIOLATIONS - NEWEST_VIOLATIONS + 1}",
    f"{STATISTICS}/daily",
    f"{STATISTICS}/daily?days=90&camera_id=cam1",
    f"{STATISTICS}/events",
    f"{STATISTICS}/events?event_type=SANITIZE&camera_id=cam1&limit=7",
    f"{STATISTICS}/events?start_time=2000-01-01T00:00:00Z&end_time=2000-01-02T00:00:00Z",
    f"{STATISTICS}/history",
    f"{STATISTICS}/history?minutes=1440&camera_id=cam2&limit=9",
    "/api/v1/cameras",
    "/api/v1/cameras?active_only=true",
    "/api/v1/cameras/cam3/stats",
    "/api/v1/cameras/nobody/stats",
)


def _get(server: Server, path: str) -> requests.Response:
    return requests.get(f"http://127.0.0.1:{server.port}{path}", timeout=10)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("path", PATHS)
def test_a_peer_answers_with_the_same_json(
    servers: dict[str, Server], peer: str, path: str
) -> None:
    ours, theirs = _get(servers["canary"], path), _get(servers[peer], path)
    assert ours.headers["X-Canary"] == "domain; reason=rollout"
    assert ours.status_code == theirs.status_code == 200
    assert theirs.json() == ours.json()


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/v1/records/violations/0", 404), (f"{RECORDS}/cam0?limit=1001", 422)],
)
def test_a_peer_refuses_what_we_refuse(
    servers: dict[str, Server], peer: str, path: str, status: int
) -> None:
    assert _get(servers["canary"], path).status_code == status
    assert _get(servers[peer], path).status_code == status
