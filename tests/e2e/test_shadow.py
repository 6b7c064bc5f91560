"""Before a client is sent to the domain, it is known whether the domain answers as legacy does."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
import redis
import yaml

from detection_api import create_app
from detection_api.canary.comparison.coverage import branches_of
from detection_api.canary.state.ledger import Tally
from detection_api.canary.state.postgres import tables
from detection_api.canary.state.postgres.store import PostgresStore
from detection_api.ingest.camera_statistics import CHANNEL
from tests.e2e.fleet import ENDPOINTS
from tests.e2e.instance import PATHS, Instance, Load, wait_for
from tests.factory import COMMAND, World, build

pytestmark = pytest.mark.fleet

COMPARED = 100
"""Comparisons of each endpoint that a healthy domain has to stand."""
EVERY = 0.25
"""Seconds between two changes of everything that detectors write."""
UNKNOWN_ONES = (
    "/api/v1/records/detection-records/unknown",
    "/api/v1/records/violations/2",
    "/api/v1/records/violations/999999",
    "/api/v1/statistics/daily?camera_id=unknown",
    "/api/v1/statistics/events?camera_id=unknown",
    "/api/v1/statistics/history?camera_id=unknown",
    "/api/v1/cameras/unknown/stats",
)
"""Requests that take the branches which PATHS does not."""
UNREACHABLE = {("statistics.daily", "$:empty"), ("cameras.cameras", "$.cameras:empty")}
"""A day is at least asked for, and the world has cameras."""


class Factory:
    """A database, a log and a camera file of these tests' own, and the store beside them."""

    def __init__(self, servers: World, folder: Path, name: str = "shadow") -> None:
        url = servers.database_url.replace("/postgres?", f"/{name}?", 1)
        with closing(psycopg2.connect(servers.database_url)) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"CREATE DATABASE {name}")
        self.environ = build(folder, url, servers.environ["REDIS_URL"])
        self.store = PostgresStore(self._connection)
        self.log = Path(self.environ["EVENTS_LOG"])
        self._camera_file = Path(self.environ["CAMERAS_FILE"])
        self._complete()

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        with closing(psycopg2.connect(self.environ["DATABASE_URL"])) as connection:
            connection.autocommit = True
            yield connection

    def sql(self, statement: str, *values: Any) -> None:
        with self._connection() as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)

    def _complete(self) -> None:
        """Add what takes the branches that a plain world leaves untaken."""
        self.sql(
            "UPDATE violation_events SET track_id = 7, snapshot_path = 'a.jpg', notes = 'seen',"
            " handled_by = 'ann', handled_at = now(), bbox = %s WHERE id = 2",
            json.dumps({"x": 1, "y": 2.5, "width": 3, "height": 4}),
        )
        self.sql("UPDATE violation_events SET confidence = NULL WHERE id = 1")
        cameras = yaml.safe_load(self._camera_file.read_text())
        whole = dict.fromkeys(("location", "resolution", "region_id", "regions_file"), "somewhere")
        cameras["cameras"].append({"id": "vid2", "fps": None, **whole})
        self._camera_file.write_text(yaml.safe_dump(cameras))
        command: list[str | Path] = [COMMAND, "ingest", "cameras", self._camera_file]
        subprocess.run(command, env=self.environ, check=True, capture_output=True)

    def forget_comparisons(self) -> None:
        for table in (tables.canary_mismatch, tables.canary_branch, tables.canary_ledger):
            self.sql(f"TRUNCATE {table.name}")

    def tallies(self) -> dict[str, Tally]:
        """What was compared of each endpoint, legacy having answered."""
        sums: dict[str, Tally] = {endpoint: Tally() for endpoint in ENDPOINTS}
        for row in self.store.ledger(timedelta(hours=1)):
            sums[row.endpoint].add(row.tally)
        return sums

    @contextmanager
    def ingesting(self) -> Iterator[None]:
        """With what carries detectors' output into PostgreSQL."""
        with ExitStack() as running:
            for arguments in (["events", str(self.log), "--follow"], ["stats"]):
                process = subprocess.Popen(
                    [COMMAND, "ingest", *arguments],
                    env=self.environ,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                running.callback(process.wait, 30)
                running.callback(process.terminate)
            yield

    @contextmanager
    def detecting(self) -> Iterator[None]:
        """With a detector that changes what every endpoint but the cameras' reads."""
        stop = threading.Event()
        detector = threading.Thread(target=self._detect, args=(stop,))
        detector.start()
        try:
            yield
        finally:
            stop.set()
            detector.join()

    def _detect(self, stop: threading.Event) -> None:
        publisher = redis.Redis.from_url(self.environ["REDIS_URL"])
        with closing(publisher), self._connection() as connection:
            for turn in count():
                now = datetime.now(UTC)
                with self.log.open("a") as log:
                    log.write(json.dumps(event(turn, now)) + "\n")
                connection.cursor().execute(
                    "INSERT INTO detection_records"
                    " (camera_id, timestamp, frame_number, person_count, fps, processing_time)"
                    " VALUES ('cam0', %s, %s, %s, %s, %s)",
                    (now, turn, turn % 5, *((24.5, 0.02) if turn % 2 else (None, None))),
                )
                publisher.publish(CHANNEL, json.dumps(statistics(turn, now)))
                if stop.wait(EVERY):
                    return


def event(turn: int, now: datetime) -> dict[str, Any]:
    """A line of the event log, of one shape and then the other."""
    whole = {"track_id": turn, "evidence": {"confidence": 0.9, "region": "sink"}}
    kind = ("NO_HAIRNET_AT_SINK", "HANDWASH_COMPLETED", f"NEW_{turn}")[turn % 3]
    plain = {"ts": now.timestamp(), "type": kind, "camera_id": "cam0"}
    return plain | whole if turn % 2 else plain


def statistics(turn: int, now: datetime) -> dict[str, Any]:
    """A message of the detector's, whose counts come and go."""
    data = {"persons": turn % 3, "fps": 24.0 + turn % 2, "total_frames": turn}
    return {"type": "stats", "camera_id": "cam0", "timestamp": now.timestamp(), "data": data}


@pytest.fixture(scope="module")
def factory(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Factory]:
    factory = Factory(world, tmp_path_factory.mktemp("shadow"))
    with factory.ingesting():
        yield factory


@pytest.fixture(scope="module")
def instance(factory: Factory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """All traffic on legacy, and all of it compared."""
    environ = {
        **factory.environ,
        "WEB_CONCURRENCY": "2",
        "SHADOW_PERCENT": "100",
        "SHADOW_MAX_PER_SECOND": "100",
    }
    folder = tmp_path_factory.mktemp("instance")
    with (
        factory.detecting(),
        Instance(folder, environ, app="tests.e2e.subtly_wrong_wsgi:app") as started,
    ):
        path = PATHS[6] + "?force_domain=true"
        wait_for(lambda: started.get(path).body["running"], "live statistics have arrived")
    with started:
        yield started


@pytest.fixture(autouse=True)
def _without_history(factory: Factory) -> None:
    factory.forget_comparisons()


def reachable() -> set[tuple[str, str]]:
    """Every branch of every endpoint's contract that this world has an answer for."""
    views = create_app({"DATABASE_URL": "postgresql://nowhere/none"}).view_functions
    every = {
        (endpoint, branch)
        for endpoint in ENDPOINTS
        for branch in branches_of(vars(views[endpoint])["canary"].rule)
    }
    return every - UNREACHABLE | {("records.violation", "error:NotFoundError")}


def test_a_healthy_domain_is_shown_to_agree_in_every_branch_while_the_data_moves(
    factory: Factory, instance: Instance
) -> None:
    def is_shown() -> bool:
        tallies = factory.tallies().values()
        is_enough = all(tally.compared - tally.noise >= COMPARED for tally in tallies)
        return is_enough and factory.store.branches().keys() >= reachable()

    paths = (*PATHS, *UNKNOWN_ONES)
    with factory.detecting(), Load(instance, clients=4, paths=paths, pause=0.02) as load:
        wait_for(is_shown, "every branch of every endpoint was compared")
    assert load.lost == []
    assert {(r.status, r.who) for r in load.replies} == {
        (200, "legacy; reason=holdout"),
        (404, "legacy; reason=holdout"),
    }
    assert factory.store.mismatches() == []
    assert sum(tally.noise for tally in factory.tallies().values()) > 0, "the data moved"


WRONG = {
    "raises where there are rows": ("statistics.daily", "$", "status"),
    "lists always empty": ("statistics.events", "$.events", "length"),
    "ISO text for an epoch": ("statistics.history", "$[*].ts", "type"),
    "keys of nulls dropped": ("records.violation", "$.track_id", "missing"),
    "total of the page": ("records.detection_records", "$.total", "value"),
    "times without a zone": ("cameras.camera_stats", "$.stats.last_detection_time", "type"),
    "unordered": ("cameras.cameras", "$.cameras", "order"),
}


def test_seven_subtly_wrong_domains_are_found_before_any_client_meets_them(
    factory: Factory, instance: Instance
) -> None:
    def found() -> set[tuple[str, str, str]]:
        return {(m.endpoint, m.path, m.kind) for m in factory.store.mismatches()}

    instance.break_domain("subtly wrong")
    try:
        with Load(instance, clients=2, pause=0.05) as load:
            wait_for(lambda: found() >= set(WRONG.values()), "all seven are found", 30)
    finally:
        instance.mend()
    assert load.lost == []
    assert {(r.status, r.who) for r in load.replies} == {(200, "legacy; reason=holdout")}
    samples = [sample for mismatch in factory.store.mismatches() for sample in mismatch.samples]
    assert {s["request_id"] for s in samples} & {reply.request_id for reply in load.replies}


@contextmanager
def frozen(postgres: int) -> Iterator[None]:
    """PostgreSQL's processes stopped: they answer nothing and refuse nothing."""
    servers = [psutil.Process(postgres), *psutil.Process(postgres).children()]
    for server in servers:
        server.suspend()
    try:
        yield
    finally:
        for server in servers:
            server.resume()


def test_a_store_and_a_domain_that_hang_cost_no_client_anything(
    factory: Factory, instance: Instance, world: World
) -> None:
    """Comparisons that do not fit any more are dropped, and counted when the store is back."""
    with Load(instance, clients=4, paths=PATHS[2:]) as load:
        load.more(20)
        with frozen(world.postgres.pid):
            during = load.more(400)
    assert load.lost == []
    assert {(r.status, r.who) for r in during} == {(200, "legacy; reason=holdout")}

    def dropped() -> int:
        return sum(tally.dropped for tally in factory.tallies().values())

    assert wait_for(dropped, "dropped comparisons are in the ledger", 30)
