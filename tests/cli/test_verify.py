"""`detection-api verify`, where it cannot begin: each time one clear line."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from detection_api.cli import verify as module
from detection_api.dev.instance import Instance, claimed, publish_environment
from detection_api.rollout.verification import readiness
from tests.rollout.conftest import Run


class _Handler(BaseHTTPRequestHandler):
    """A server that is not this API, healthy at the second look; it keeps what it is sent."""

    def do_GET(self) -> None:
        self.server.tokens.append(self.headers["Authorization"])  # type: ignore[attr-defined]
        is_ready = "health" in self.path and len(self.server.tokens) > 1  # type: ignore[attr-defined]
        body = b"{}" if is_ready else b"<p>Hello"
        self.send_response(200 if is_ready else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def other() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.tokens = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def url_of(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture
def nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_it_explains_itself_with_an_example(run: Run) -> None:
    result = run("verify", "--help")
    assert result.exit_code == 0
    assert "detection-api verify http://" in result.output.partition("Example:")[2]


def test_an_instance_that_is_away_is_one_clear_line(run: Run, nobody: str) -> None:
    result = run("verify", nobody)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {nobody}: no answer: Connection refused\n"


def test_an_instance_that_does_not_get_healthy_is_one_clear_line(
    run: Run, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "POLL_INTERVAL", 0)
    clock = iter(range(9))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    result = run("verify", nobody, "--wait", 2)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {nobody}: not healthy after 2 s: no answer: Connection refused\n"
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:8000", "must be an http:// or https:// URL"),
        ("http://ann:secret@host", "must be a plain address: no user, query or fragment"),
    ],
)
def test_what_is_no_address_is_named(run: Run, url: str, said: str) -> None:
    result = run("verify", url)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "secret" not in result.stderr


def test_an_unknown_endpoint_is_refused_with_those_there_are(run: Run, nobody: str) -> None:
    result = run("verify", nobody, "--endpoint", "records.violations")
    assert result.exit_code == 2
    assert "there are cameras.camera_stats, cameras.cameras, records.detection" in result.stderr


def test_without_a_url_and_a_make_run_it_asks_for_one(run: Run) -> None:
    result = run("verify")
    assert result.exit_code == 2
    assert "no `make run` is running in this folder: give an instance's URL" in result.stderr


def test_without_a_url_it_is_the_make_run_of_this_folder(
    run: Run, nobody: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INSTANCE", tmp_path)
    port = nobody.rpartition(":")[2]
    with claimed(Instance(tmp_path, 0)), publish_environment(Instance(tmp_path, 0), {"PORT": port}):
        result = run("verify")
    assert result.stderr == f"Error: {nobody}: no answer: Connection refused\n"


def test_a_server_that_is_no_such_instance_fails_with_what_it_answers(
    run: Run, other: ThreadingHTTPServer
) -> None:
    result = run("verify", url_of(other), "--wait", 60, "--endpoint", "cameras.cameras")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("cameras.cameras: failed, 4 cases; P50/P95 of legacy unknown")
    assert "  ! default: legacy: no X-Canary, status 404: the canary does not serve this" in lines
    assert "  ! and 3 more: --json has all" in lines
    assert lines[-1] == f"{url_of(other)}: 0 of 1 endpoints passed"


def test_everything_there_is_can_be_had_as_json(run: Run, other: ThreadingHTTPServer) -> None:
    result = run("verify", url_of(other), "--json", "--endpoint", "cameras.cameras")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["passed"], found["base"]) == (False, url_of(other))
    (endpoint,) = found["endpoints"]
    assert (endpoint["verdict"], len(endpoint["findings"])) == ("failed", 8)
    assert {case["ending"] for case in endpoint["cases"]} == {"failed"}


def test_an_operators_token_comes_from_the_environment(
    run: Run, other: ThreadingHTTPServer
) -> None:
    result = run("verify", url_of(other), DETECTION_API_TOKEN="dapi_secret")
    assert set(other.tokens) == {"Bearer dapi_secret"}  # type: ignore[attr-defined]
    assert "dapi_secret" not in result.output


def test_a_store_that_is_away_is_said_and_does_not_keep_from_verifying(
    run: Run, other: ThreadingHTTPServer, tmp_path: Path
) -> None:
    away = f"postgresql:///x?host={tmp_path}"
    result = run("verify", url_of(other), DATABASE_URL=away)
    assert "accepted differences are unknown, PostgreSQL is away: connection to" in result.stderr
    assert result.stdout.endswith("0 of 7 endpoints passed\n")


def test_an_instance_elsewhere_needs_no_database(run: Run, other: ThreadingHTTPServer) -> None:
    result = run("verify", url_of(other), DATABASE_URL="")
    assert result.stderr == ""
    assert result.stdout.endswith("0 of 7 endpoints passed\n")


def test_an_unreadable_setting_is_one_clear_line(run: Run, nobody: str) -> None:
    result = run("verify", nobody, DATABASE_URL="mysql://x")
    assert result.exit_code == 1
    assert result.stderr == "Error: DATABASE_URL is unreadable: must be a postgresql:// URL\n"
