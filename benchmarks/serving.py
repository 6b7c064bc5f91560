"""A gunicorn with an application and data, and clients that keep it busy."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2

from detection_api import create_app, schema
from detection_api.embedded import EmbeddedPostgres

WORKERS = 2
CONNECTIONS = 8
BOOT_SECONDS = 30

DATA = """
INSERT INTO cameras (id, position, name, source, status, active, auto_start)
  SELECT 'cam' || n, n, 'Camera ' || n, 'rtsp://camera', 'active', true, false
  FROM generate_series(0, 9) AS n;
INSERT INTO detection_records (camera_id, timestamp, frame_number, fps, processing_time)
  SELECT 'cam' || n % 2, now() - n * interval '1 minute', n, 24.5, 0.02
  FROM generate_series(1, 2000) AS n;
ANALYZE;
"""


@contextmanager
def serving(app: str, environ: dict[str, str]) -> Iterator[int]:
    """Gunicorn with `app` over a database with some data; its port on 127.0.0.1."""
    with TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres(Path(folder, "postgres"))
        url = postgres.start()
        schema.upgrade(create_app({"DATABASE_URL": url}))
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as c:
            c.execute(DATA)
        port = _free_port()
        gunicorn = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", app],
            env={
                **os.environ,
                "DATABASE_URL": url,
                "PORT": str(port),
                "WEB_CONCURRENCY": str(WORKERS),
                "LOG_LEVEL": "WARNING",
                **environ,
            },
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(port)
            yield port
        finally:
            gunicorn.terminate()
            gunicorn.wait()
            postgres.stop()


def requests_per_second(port: int, path: str, seconds: float) -> float:
    """How many answers CONNECTIONS clients get from `path` in a second, one after another each."""
    end = time.monotonic() + seconds
    counts = [0] * CONNECTIONS
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    def ask(client: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while time.monotonic() < end:
                connection.sendall(request)
                _read(connection)
                counts[client] += 1

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(CONNECTIONS)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - started)


def _read(connection: socket.socket) -> None:
    """One whole response, which has to be a success."""
    data = connection.recv(65536)
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    length = re.search(rb"Content-Length: (\d+)", head)
    assert length is not None
    left = int(length[1]) - len(body)
    while left > 0:
        left -= len(connection.recv(65536))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    for _ in range(BOOT_SECONDS * 10):
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("gunicorn does not answer")
