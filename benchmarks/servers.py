"""Start PostgreSQL, Valkey and the servers under test, as an operator does."""

import math
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.request import urlopen

import psutil
import psycopg2

from detection_api.dev.embedded import EmbeddedPostgres

WORKERS = 2
BOOT_SECONDS = 30
IDLE_SECONDS = 0.2
IDLE_USE = 0.02
"""Maximum processor time of an idle server in IDLE_SECONDS, in seconds."""
IDLE_PATIENCE = 5
"""Seconds."""
ROOT = Path(__file__).parents[1]
PYTHON = (sys.executable, "-m")
POSTGRES_SETTINGS = {
    "max_connections": "300",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
}
"""Enough connections for all servers under test, and no checkpoint during a turn."""

Command = Callable[[str, int], Sequence[str]]
"""The command that serves an application, such as `wsgi:app`, on a port of 127.0.0.1."""


def gunicorn(app: str, _port: int) -> Sequence[str]:
    """Return the command of gunicorn; port, workers and threads are in the environment."""
    return (*PYTHON, "gunicorn", "-c", "gunicorn.conf.py", app)


def granian(app: str, port: int) -> Sequence[str]:
    """Return the command of granian, as documented, with as many threads as gunicorn."""
    return (
        *(*PYTHON, "granian", "--interface", "wsgi", "--workers", str(WORKERS)),
        *("--blocking-threads", "1", "--port", str(port), "--log-level", "warning", app),
    )


def uvicorn(app: str, _port: int) -> Sequence[str]:
    """Return the command of gunicorn with the workers of uvicorn."""
    return (*PYTHON, "gunicorn", "-c", "benchmarks/peers/gunicorn_conf.py", app)


@contextmanager
def postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    """Start a PostgreSQL server for the benchmarks, with its data in `folder`."""
    server = EmbeddedPostgres(folder / "postgres")
    with closing(psycopg2.connect(server.start())) as connection:
        connection.autocommit = True
        for name, value in POSTGRES_SETTINGS.items():
            connection.cursor().execute(f"ALTER SYSTEM SET {name} = '{value}'")
    server.stop()
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def serving(
    command: Command, app: str, environ: Mapping[str, str], log: Path
) -> Iterator[tuple[int, int]]:
    """Serve `app` during the block; yield the port and the process id. Output goes to `log`."""
    port = _free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(app, port),
            cwd=ROOT,
            env={
                **os.environ,
                "LOG_LEVEL": "WARNING",
                "PORT": str(port),
                "WEB_CONCURRENCY": str(WORKERS),
                **environ,
            },
            stdout=output,
            stderr=output,
        )
    try:
        _wait_for(port, process, log)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def wait_until_idle(pid: int, patience: float = IDLE_PATIENCE) -> None:
    """Return when the workers of a server have been idle for IDLE_SECONDS.

    Returns after at most `patience` seconds, because comparisons with a slow legacy take long.
    """
    workers = psutil.Process(pid).children()
    pause = threading.Event()
    used = -math.inf
    until = time.monotonic() + patience
    while (now := sum(sum(worker.cpu_times()[:2]) for worker in workers)) - used > IDLE_USE:
        if time.monotonic() > until:
            return
        used = now
        pause.wait(IDLE_SECONDS)


def get(port: int, path: str) -> bytes:
    """Return the body of one answer; raises an error if it is not a success."""
    with urlopen(f"http://127.0.0.1:{port}{path}") as response:
        body: bytes = response.read()
        return body


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    pause = threading.Event()
    until = time.monotonic() + BOOT_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            get(port, "/api/v1/cameras")
        except OSError:
            pause.wait(0.1)
        else:
            return
    raise RuntimeError(f"a server does not answer; it says:\n{log.read_text()[-2000:]}")
