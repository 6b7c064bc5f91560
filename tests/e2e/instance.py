"""A gunicorn with the application, and clients that keep asking it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
PATHS = (
    "/api/v1/records/detection-records/cam0",
    "/api/v1/records/violations/1",
    "/api/v1/statistics/daily",
    "/api/v1/statistics/events",
    "/api/v1/statistics/history?minutes=1440",
    "/api/v1/cameras",
    "/api/v1/cameras/cam0/stats",
)
BOOT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client got for one request."""

    path: str
    status: int
    who: str
    body: Any


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(port: int, path: str, **headers: str) -> Reply:
    """One request on a connection of its own; raises OSError when it gets no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers=named)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if "json" in response.headers["Content-Type"]:
        body = json.loads(body)
    return Reply(path, response.status, response.headers.get("X-Canary", ""), body)


class Instance:
    """Gunicorn with 4 workers, configured as in production, in a folder of its own."""

    def __init__(self, folder: Path, environ: dict[str, str], app: str = "wsgi:app") -> None:
        self.port = free_port()
        self.env_file = folder / "env"
        self.fault_file = folder / "fault"
        self.log = folder / "gunicorn.log"
        self.fault_file.write_text("")
        self._environ = {
            **os.environ,
            "WEB_CONCURRENCY": "4",
            "ENV_FILE": str(self.env_file),
            "FAULT_FILE": str(self.fault_file),
            "PORT": str(self.port),
            **environ,
        }
        self._app = app
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", self._app],
                cwd=ROOT,
                env=self._environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_up()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=60)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def reload(self) -> None:
        """What an operator does after editing the env file."""
        os.kill(self.pid, signal.SIGHUP)

    def get(self, path: str, **headers: str) -> Reply:
        """See `get`."""
        return get(self.port, path, **headers)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a counter's samples that have `labels`, over all workers."""
        text = self.get("/metrics").body.decode()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in text.splitlines()
            if line.startswith(name) and all(label in line for label in wanted)
        )

    def _wait_until_up(self) -> None:
        for _ in range(BOOT_SECONDS * 10):
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text()
            try:
                if self.get("/healthz").status == 200:
                    return
            except OSError:
                threading.Event().wait(0.1)
        raise TimeoutError(self.log.read_text())


@dataclass
class Load:
    """Clients that ask for all seven endpoints in turn until they are told to stop."""

    instance: Instance
    clients: int = 4
    paths: tuple[str, ...] = PATHS
    replies: list[Reply] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._grew = threading.Condition()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int) -> list[Reply]:
        """Wait for `count` further replies and return them."""
        with self._grew:
            start = len(self.replies)
            done = self._grew.wait_for(lambda: len(self.replies) >= start + count, timeout=120)
            assert done, f"{len(self.replies) - start} of {count} replies in two minutes"
            return self.replies[start:]

    def _ask(self, turn: int) -> None:
        while not self._stop.is_set():
            path = self.paths[turn % len(self.paths)]
            turn += 1
            try:
                reply = self.instance.get(path)
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(f"{path}: {error!r}")
                continue
            with self._grew:
                self.replies.append(reply)
                self._grew.notify_all()


def whose(replies: list[Reply]) -> Counter[str]:
    """How often each `X-Canary` was answered."""
    return Counter(reply.who for reply in replies)
