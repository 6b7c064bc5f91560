"""The stage of a run: one PostgreSQL, its worlds, and servers over them."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import redis

from benchmarks import endpoints, load, servers, world
from benchmarks.endpoints import Paths
from benchmarks.load import Load
from benchmarks.subjects import Subject
from benchmarks.world import World
from detection_api.canary.state import BUCKET_SECONDS
from detection_api.dev.embedded import EmbeddedPostgres, EmbeddedValkey

PUBLISH_INTERVAL = 1.0
EVERYTHING = "all"
"""The name for all seven endpoints in turns."""
PATHS = 10
"""Number of paths of each endpoint in EVERYTHING."""
EAGER_PATIENCE = 300
"""Seconds; 30 comparisons with the slowest legacy, which reads 200,000 lines, take 120."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running subject on `port`, with the master process `pid`."""

    subject: Subject
    port: int
    pid: int
    paths: Paths

    def measure(self, endpoint: str, seconds: int) -> Load:
        """Measure one turn with wrk; return when the server is idle.

        So comparisons and late answers of this turn do not disturb the next one.
        """
        result = load.measure(self.port, self.subject.paths(self.paths[endpoint]), seconds)
        servers.wait_until_idle(self.pid)
        return result

    def wait_for_eager_comparisons(self, endpoint: str) -> None:
        """Wait until the comparisons that every new stage of a rollout starts with are done."""
        for _ in range(2):
            load.measure(self.port, self.subject.paths(self.paths[endpoint]), 1)
            servers.wait_until_idle(self.pid, EAGER_PATIENCE)
            threading.Event().wait(BUCKET_SECONDS)

    def with_all_endpoints(self) -> "Server":
        """Return this server with the paths of all seven endpoints under the name EVERYTHING."""
        paths = [path for every in self.paths.values() for path in (list(every) * PATHS)[:PATHS]]
        return replace(self, paths={EVERYTHING: paths})

    def bodies(self, endpoint: str) -> list[Any]:
        """Return the answers to the first and the last path of the endpoint."""
        paths = self.subject.paths(self.paths[endpoint])
        return [json.loads(servers.get(self.port, path)) for path in (paths[0], paths[-1])]


class Stage:
    """The PostgreSQL and Valkey of a run, and the worlds that are built on them."""

    def __init__(self, folder: Path, postgres: EmbeddedPostgres, redis_url: str) -> None:
        self.folder = folder
        self.pgbench = postgres.bin / "pgbench"
        self._postgres = postgres
        self._redis_url = redis_url
        self._worlds: dict[int, World] = {}

    def world(self, rows: int) -> World:
        """Return the world of `rows` rows; build it at the first call."""
        if rows not in self._worlds:
            url = self._postgres.start()
            self._worlds[rows] = world.build(url, self.folder, rows, self._redis_url)
        return self._worlds[rows]

    @contextmanager
    def serving(self, subject: Subject, over: World) -> Iterator[Server]:
        """Serve `subject` over a world during the block."""
        environ = {**over.environ, **subject.environ}
        log = self.folder / f"{subject.part}-{subject.server}-{over.rows}.log"
        with servers.serving(subject.command, subject.app, environ, log) as (port, pid):
            yield Server(subject, port, pid, endpoints.paths(over.last_violation))


@contextmanager
def stage() -> Iterator[Stage]:
    """Yield a stage; stop its servers and delete its data at the end."""
    with TemporaryDirectory(prefix="benchmarks-") as name, ExitStack() as stack:
        folder = Path(name)
        postgres = stack.enter_context(servers.postgres(folder))
        valkey = EmbeddedValkey(folder / "valkey")
        url = valkey.start()
        stack.callback(valkey.stop)
        stack.enter_context(_publishing(url))
        yield Stage(folder, postgres, url)


@contextmanager
def _publishing(url: str) -> Iterator[None]:
    """Publish the statistics of every camera repeatedly, as its detector does."""
    stop = threading.Event()

    def publish() -> None:
        with redis.Redis.from_url(url) as client:
            while not stop.wait(PUBLISH_INTERVAL):
                for message in world.STATISTICS_MESSAGES:
                    client.publish("hbd:stats", message)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
