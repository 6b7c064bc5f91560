"""A gunicorn with the application, and clients that keep asking it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import psutil

ROOT = Path(__file__).parents[2]
PATH_OF = {
    "records.detection_records": "/api/v1/records/detection-records/cam0",
    "records.violation": "/api/v1/records/violations/1",
    "statistics.daily": "/api/v1/statistics/daily",
    "statistics.events": "/api/v1/statistics/events",
    "statistics.history": "/api/v1/statistics/history?minutes=1440",
    "cameras.cameras": "/api/v1/cameras",
    "cameras.camera_stats": "/api/v1/cameras/cam0/stats",
}
"""A path with data for each endpoint."""
PATHS = tuple(PATH_OF.values())
BOOT_SECONDS = 60
PATIENCE_SECONDS = 120
LOOK_SECONDS = 0.02

_Found = TypeVar("_Found")


def wait_for(look: Callable[[], _Found], what: str, seconds: float = PATIENCE_SECONDS) -> _Found:
    """What `look` returns once that is true; raises TimeoutError where it never is."""
    patience_ends = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > patience_ends:
            raise TimeoutError(f"{what}: not within {seconds} s")
        threading.Event().wait(LOOK_SECONDS)
    return found


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client got for one request that it sent to `port`, `asked_at` that epoch second."""

    path: str
    status: int
    who: str
    body: Any
    request_id: str = ""
    port: int = 0
    asked_at: float = 0.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(port: int, path: str, **headers: str) -> Reply:
    """One request on a connection of its own; raises OSError when it gets no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    asked_at = time.time()
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers=named)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if "json" in response.headers["Content-Type"]:
        body = json.loads(body)
    return Reply(
        path,
        response.status,
        response.headers.get("X-Canary", ""),
        body,
        request_id=response.headers.get("X-Request-ID", ""),
        port=port,
        asked_at=asked_at,
    )


class Instance:
    """Gunicorn with 2 workers, configured as in production, in a folder of its own."""

    def __init__(self, folder: Path, environ: dict[str, str], app: str = "wsgi:app") -> None:
        self.port = free_port()
        self.env_file = folder / "env"
        self.log = folder / "gunicorn.log"
        self._fault_file = folder / "fault"
        self.mend()
        self.environ = {
            **os.environ,
            "WEB_CONCURRENCY": "2",
            "ENV_FILE": str(self.env_file),
            "FAULT_FILE": str(self._fault_file),
            "PORT": str(self.port),
            **environ,
        }
        self._app = app
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        self.wait_until_up()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, for the first time or again; it is up some seconds later."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", self._app],
                cwd=ROOT,
                env=self.environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> None:
        """End it as a supervisor would."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=60)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def workers(self) -> set[int]:
        """The process ids of its workers."""
        return {child.pid for child in psutil.Process(self.pid).children()}

    def reload(self) -> None:
        """What an operator does after editing the env file."""
        os.kill(self.pid, signal.SIGHUP)

    def wait_until_renewed(self, before: set[int]) -> None:
        """Return when the last of the workers of `before` is gone."""
        wait_for(lambda: not self.workers & before, "the old workers are gone", BOOT_SECONDS)

    def break_domain(
        self,
        fault: str,
        *,
        endpoint: str = "",
        share: float = 1,
        arguments: Mapping[str, str] | None = None,
    ) -> None:
        """Have the domain fail as FAULTS has it, until `mend`.

        It is one endpoint's or all of them, for that share (0..1) of the requests, and for those
        alone whose arguments are `arguments`, if these are given.
        """
        order = {
            "fault": fault,
            "endpoint": endpoint,
            "share": share,
            "arguments": dict(arguments or {}),
        }
        self._write_fault(json.dumps(order))

    def mend(self) -> None:
        """Have the domain work."""
        self._write_fault("null")

    def _write_fault(self, order: str) -> None:
        """At once: workers read the file all the time."""
        new = self._fault_file.with_suffix(".new")
        new.write_text(order)
        new.replace(self._fault_file)

    def get(self, path: str, **headers: str) -> Reply:
        """See `get`."""
        return get(self.port, path, **headers)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have `labels`, over all workers."""
        text = self.get("/metrics").body.decode()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in text.splitlines()
            if line.startswith(name) and all(label in line for label in wanted)
        )

    def wait_until_up(self) -> None:
        """Return when it answers; fails with its log when it ends instead."""
        wait_for(self._is_up, f"{self.log} tells of an instance that is up", BOOT_SECONDS)

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        try:
            return self.get("/healthz").status == 200
        except OSError:
            return False


class Server(Protocol):
    """What clients ask: an instance, or several."""

    def get(self, path: str, **headers: str) -> Reply:
        """One request; raises OSError when it gets no answer."""


@dataclass
class Load:
    """Clients that ask for all seven endpoints in turn until they are told to stop.

    Each waits `pause` seconds between two requests, and sends `headers` with all of them.
    """

    server: Server
    clients: int = 4
    paths: tuple[str, ...] = PATHS
    pause: float = 0
    headers: Mapping[str, str] = field(default_factory=dict)
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
            done = self._grew.wait_for(
                lambda: len(self.replies) >= start + count, timeout=PATIENCE_SECONDS
            )
            assert done, f"{len(self.replies) - start} of {count} replies in two minutes"
            return self.replies[start:]

    def _ask(self, turn: int) -> None:
        while not self._stop.wait(self.pause):
            path = self.paths[turn % len(self.paths)]
            turn += 1
            try:
                reply = self.server.get(path, **self.headers)
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(f"{path}: {error!r}")
                continue
            with self._grew:
                self.replies.append(reply)
                self._grew.notify_all()


def whose(replies: list[Reply]) -> Counter[str]:
    """How often each `X-Canary` was answered."""
    return Counter(reply.who for reply in replies)
