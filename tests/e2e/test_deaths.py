"""Under gunicorn: how a domain ends a call is its failure, and signals end workers as ever."""

import http.client
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil
import pytest

from tests.e2e.instance import ROOT, free_port, get, wait_for

LONE = ("--worker-class", "detection_api.server.gunicorn_workers.LoneWorker")
FAIR = ("--worker-class", "detection_api.server.gunicorn_workers.FairWorker", "--threads", "4")


class Server:
    """gunicorn with one worker of the application in `deadly_wsgi`."""

    def __init__(self, folder: Path, options: tuple[str, ...]) -> None:
        self.port = free_port()
        self.calls = folder / "calls"
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "gunicorn",
                    "--no-control-socket",
                    "--workers=1",
                    *options,
                    "--bind",
                    f"127.0.0.1:{self.port}",
                    "tests.e2e.deadly_wsgi:app",
                ],
                cwd=ROOT,
                env={**os.environ, "CALLS_FOLDER": str(self.calls)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        wait_for(self.pid, "the worker answers")
        wait_for(lambda: self.who("good").startswith("domain"), "the domain answers")
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=60)

    def pid(self) -> int:
        """Return the process id of the worker; 0 if there is none."""
        try:
            pid: int = get(self.port, "/pid").body["pid"]
        except (OSError, http.client.HTTPException):
            return 0
        return pid

    def who(self, end: str) -> str:
        return get(self.port, f"/{end}").who

    def deaths(self) -> int:
        return self._log.read_text().count("worker_died")

    def wait_until_replaced(self, worker: int) -> None:
        wait_for(lambda: self.pid() not in (0, worker), "another worker answers")
        wait_for(lambda: not psutil.pid_exists(worker), "the old worker ends")


@pytest.fixture(params=[FAIR, LONE], ids=["threads", "one thread"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path, request.param) as started:
        yield started


def test_an_exit_of_the_domain_is_answered_by_legacy_and_ends_no_worker(server: Server) -> None:
    worker = server.pid()
    for end in ("exit", "interrupt"):
        assert server.who(end) == "legacy; reason=fallback; cause=error"
    assert server.pid() == worker


def test_a_worker_that_dies_in_a_call_is_counted_by_the_next_one(server: Server) -> None:
    worker = server.pid()
    with pytest.raises((OSError, http.client.HTTPException)):
        server.who("die")
    server.wait_until_replaced(worker)
    server.who("good")
    wait_for(lambda: server.deaths() == 1, "the death is counted")


def test_a_worker_that_is_killed_while_it_is_idle_is_no_death(server: Server) -> None:
    worker = server.pid()
    os.kill(worker, signal.SIGKILL)
    server.wait_until_replaced(worker)
    server.who("good")
    wait_for(lambda: len(list(server.calls.iterdir())) == 1, "the file of the dead is removed")
    assert server.deaths() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_graceful_stop_lets_calls_finish(server: Server, number: signal.Signals) -> None:
    worker, answers = server.pid(), []
    client = threading.Thread(target=lambda: answers.append(server.who("sleep")))
    client.start()
    wait_for(lambda: any(path.read_bytes()[:256].strip(b"\0") for path in _files(server)), "a call")
    server.process.send_signal(number)
    client.join()
    assert answers == ["domain; reason=rollout"]
    if number is signal.SIGHUP:
        server.wait_until_replaced(worker)
    else:
        assert server.process.wait(timeout=60) == 0
        assert list(server.calls.iterdir()) == []
    assert server.deaths() == 0


def test_a_quick_stop_ends_workers_in_the_middle_of_a_call(server: Server) -> None:
    """SIGQUIT raises SystemExit in a worker's main thread, which may be in the domain."""
    client = threading.Thread(target=lambda: _try(server, "sleep"))
    client.start()
    wait_for(lambda: any(path.read_bytes()[:256].strip(b"\0") for path in _files(server)), "a call")
    server.process.send_signal(signal.SIGQUIT)
    assert server.process.wait(timeout=30) == 0
    client.join()
    assert list(server.calls.iterdir()) == []


def _files(server: Server) -> list[Path]:
    return list(server.calls.glob("*.calls"))


def _try(server: Server, end: str) -> None:
    with suppress(OSError, http.client.HTTPException):
        server.who(end)
