"""Traffic flows as fast as it is told, counts what it is answered, and ends when it is told."""

import sys
import threading
from collections.abc import Callable, Iterator
from email.message import Message
from itertools import repeat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from detection_api.cli import demo
from detection_api.dev.demo.clients import DemoRequest
from detection_api.dev.demo.tour import run_to_end
from detection_api.dev.demo.traffic import Traffic, TrafficCount
from detection_api.web.client import Client, Reply, UnreachableError
from tests.ingest.support import wait_until


def reply(status: int, canary: str) -> Reply:
    headers = Message()
    headers["X-Canary"] = canary
    return Reply(status, headers, b"")


class Answering(Client):
    """Answers as it is told, and keeps what it was asked; sets an event after so many."""

    def __init__(self, answers: Iterator[Reply | None], enough: int = 1) -> None:
        super().__init__("http://instance")
        self.asked: list[tuple[str, object]] = []
        self.is_enough = threading.Event()
        self._answers = answers
        self._enough = enough

    def get(self, path: str, headers: object = None) -> Reply:
        self.asked.append((path, headers))
        answer = next(self._answers)
        if len(self.asked) >= self._enough:
            self.is_enough.set()
        if answer is None:
            raise UnreachableError("no answer")
        return answer


def test_what_becomes_of_requests_is_counted() -> None:
    told = [
        reply(200, "domain; reason=rollout"),
        reply(404, "legacy; reason=holdout"),
        reply(200, "legacy; reason=fallback; cause=error"),
        reply(503, "none; reason=outage; cause=error"),
        None,
    ]
    tally = TrafficCount()
    for answer in told:
        tally.add(answer)
    assert tally == TrafficCount(requests=5, domain=1, fallbacks=1, errors=1, unanswered=1)
    assert str(tally) == (
        "5 requests, the domain answered 25%; 1 fallbacks, 1 errors, 1 unanswered"
    )


def test_clients_ask_until_they_are_told_to_stop() -> None:
    client = Answering(repeat(None), enough=50)
    asks = repeat(DemoRequest("screen-1", "/a"))
    traffic = Traffic(client, asks, rate=1e6, clients=3)
    with traffic.flowing():
        assert client.is_enough.wait(60)
    assert traffic.tally.requests == traffic.tally.unanswered == len(client.asked) >= 50
    assert client.asked[0] == ("/a", {"X-Client-Id": "screen-1"})


def test_who_does_not_say_who_it_is_sends_no_name() -> None:
    client = Answering(repeat(reply(200, "domain; reason=rollout")))
    with Traffic(client, repeat(DemoRequest(None, "/a")), rate=1e6, clients=1).flowing():
        assert client.is_enough.wait(60)
    assert client.asked[0] == ("/a", {})


def test_clients_that_wait_for_their_turn_end_at_once() -> None:
    client = Answering(repeat(reply(200, "domain; reason=rollout")))
    traffic = Traffic(client, repeat(DemoRequest(None, "/a")), rate=1e-6, clients=2)
    with traffic.flowing():
        assert client.is_enough.wait(60)
    assert traffic.tally.requests <= 2


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `detection-api demo traffic` against an instance that always answers."""
    answers = repeat(reply(200, "domain; reason=rollout"))
    monkeypatch.setattr(demo, "Client", lambda url: Answering(answers))

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(demo.demo, ["traffic", *map(str, arguments)])

    return invoke


def test_it_reports_its_counts_from_time_to_time(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "REPORT_INTERVAL", 0.01)
    result = run("--url", "http://x", "--seconds", 0.1)
    assert result.exit_code == 0
    *progress, end = result.stdout.splitlines()
    assert progress
    assert all(" s: " in line and "the domain answered" in line for line in progress)
    assert end.startswith("traffic: ")


@pytest.mark.parametrize("code", [0, 3])
def test_with_a_command_it_flows_while_that_runs_and_ends_with_its_code(
    run: Callable[..., Result], tmp_path: Path, code: int
) -> None:
    script = f"import pathlib, sys; pathlib.Path('ran').touch(); sys.exit({code})"
    place = ["sh", "-c", f'cd {tmp_path} && {sys.executable} -c "{script}"']
    result = run("--url", "http://x", "--", *place)
    assert result.exit_code == code
    assert (tmp_path / "ran").exists()
    assert result.stderr.startswith("traffic: ")
    assert result.stdout == ""


def test_a_command_that_is_not_there_is_one_clear_line(run: Callable[..., Result]) -> None:
    result = run("--url", "http://x", "--", "no-such-command")
    assert result.exit_code == 1
    assert result.stderr == "Error: no-such-command: No such file or directory\n"


def test_without_a_make_run_and_a_url_it_asks_for_one(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo, "INSTANCE", tmp_path)
    result = run()
    assert result.exit_code == 2
    assert "no `make run` is running in this folder: name an instance with --url" in result.stderr


def test_what_is_no_address_is_named(run: Callable[..., Result]) -> None:
    result = run("--url", "localhost")
    assert result.exit_code == 2
    assert "must be an http:// or https:// URL" in result.stderr


def test_an_instance_that_is_away_is_one_clear_line() -> None:
    result = CliRunner().invoke(demo.demo, ["traffic", "--url", "http://127.0.0.1:1"])
    assert result.exit_code == 1
    assert result.stderr == "Error: http://127.0.0.1:1: no answer: Connection refused\n"


def test_that_it_is_to_end_is_passed_on_to_its_command(tmp_path: Path) -> None:
    stop, started = threading.Event(), tmp_path / "started"

    def stop_once_started() -> None:
        wait_until(started.exists)
        stop.set()

    waiting = threading.Thread(target=stop_once_started)
    waiting.start()
    assert run_to_end(["sh", "-c", f"touch {started}; exec sleep 60"], stop) == -15
    waiting.join()


def test_told_to_end_beforehand_it_starts_no_command(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert run_to_end(["touch", str(tmp_path / "started")], stop) == 130
    assert not (tmp_path / "started").exists()


def test_it_explains_itself_with_examples(run: Callable[..., Result]) -> None:
    result = run("--help")
    assert "detection-api demo traffic -- detection-api rollout run" in result.output
