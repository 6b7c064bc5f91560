"""What the parts share: one PostgreSQL, worlds in it, and servers over them."""

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
"""The name of all seven endpoints asked in turns."""
PATHS = 10
"""Of each endpoint then."""
NEWS_PATIENCE = 300
"""Seconds; 30 comparisons with the slowest legacy, daily statistics of 200,000 lines, take 120."""


@dataclass(frozen=True, slots=True)
class Server:
    """A subject that is being served on `port` by the process `pid` and its workers."""

    subject: Subject
    port: int
    pid: int
    paths: Paths

    def ask(self, endpoint: str, seconds: int) -> Load:
        """One turn by wrk; it ends when the server has nothing more to do.

        Comparisons, and answers that nobody waits for any more, are not the next turn's.
        """
        found = load.ask(self.port, self.subject.paths(self.paths[endpoint]), seconds)
        servers.wait_until_idle(self.pid)
        return found

    def let_news_pass(self, endpoint: str) -> None:
        """Have compared what is as long as a rollout's stage is new, which takes its own time."""
        for _ in range(2):
            load.ask(self.port, self.subject.paths(self.paths[endpoint]), 1)
            servers.wait_until_idle(self.pid, NEWS_PATIENCE)
            threading.Event().wait(BUCKET_SECONDS)

    def asked_everything(self) -> "Server":
        """The same server, asked all seven endpoints alike under the name EVERYTHING."""
        paths = [path for every in self.paths.values() for path in (list(every) * PATHS)[:PATHS]]
        return replace(self, paths={EVERYTHING: paths})

    def bodies(self, endpoint: str) -> list[Any]:
        """What it answers to the first and the last of the endpoint's paths."""
        asked = self.subject.paths(self.paths[endpoint])
        return [json.loads(servers.get(self.port, path)) for path in (asked[0], asked[-1])]


class Stage:
    """One run's PostgreSQL and Valkey, and what was built on them so far."""

    def __init__(self, folder: Path, postgres: EmbeddedPostgres, redis_url: str) -> None:
        self.folder = folder
        self.pgbench = postgres.bin / "pgbench"
        self._postgres = postgres
        self._redis_url = redis_url
        self._worlds: dict[int, World] = {}

    def world(self, rows: int) -> World:
        """The world of so many rows, built when it is first asked for."""
        if rows not in self._worlds:
            url = self._postgres.start()
            self._worlds[rows] = world.build(url, self.folder, rows, self._redis_url)
        return self._worlds[rows]

    @contextmanager
    def serving(self, subject: Subject, over: World) -> Iterator[Server]:
        """`subject` over a world, until the end of the block."""
        environ = {**over.environ, **subject.environ}
        log = self.folder / f"{subject.part}-{subject.server}-{over.rows}.log"
        with servers.serving(subject.command, subject.app, environ, log) as (port, pid):
            yield Server(subject, port, pid, endpoints.paths(over.last_violation))


@contextmanager
def stage() -> Iterator[Stage]:
    """A stage whose servers and data are gone at the end."""
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
    """Publish every camera's statistics again and again, as its detector would."""
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
