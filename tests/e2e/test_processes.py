"""However workers come and go, each counts for itself, tells all of it, and tells it once."""

import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.e2e.cutting_proxy import Cut, CuttingProxy
from tests.e2e.fleet import Fleet
from tests.e2e.instance import Instance, wait_for
from tests.e2e.ledger_support import APP, EVERY_WAY, Books
from tests.factory import World

pytestmark = pytest.mark.fleet

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'detection-api canary'"


def fleet_of_one(folder: Path, world: World, arguments: str = "", **environ: str) -> Fleet:
    """One instance of two workers, run by gunicorn with `arguments`."""
    settings = {
        **world.environ,
        "WEB_CONCURRENCY": "2",
        "GUNICORN_CMD_ARGS": arguments,
        "TMPDIR": str(folder),
        **environ,
    }
    return Fleet(folder, settings, APP, "a")


def assert_metrics_agree(instance: Instance, books: Books) -> None:
    """Prometheus is told what clients were, over all workers."""
    told = Counter(
        (answer.endpoint, *answer.who.replace("reason=", "").split("; ")[:2])
        for answer in books.answers
    )
    for (endpoint, arm, reason), count in told.items():
        labels = {"endpoint": endpoint, "arm": arm, "reason": reason}
        assert instance.metric("canary_requests_total", **labels) == count, labels
    assert instance.metric("canary_requests_total") == told.total()


def test_preloaded_workers_count_and_tell_for_themselves(world: World, tmp_path: Path) -> None:
    with fleet_of_one(tmp_path, world, "--preload", WEB_CONCURRENCY="4") as fleet:
        (instance,) = fleet.instances
        fleet.reset(50)
        fleet.break_domain("raises", share=0.02)
        books = Books(fleet)
        with books.load(clients=8, paths=EVERY_WAY) as load:
            load.more(1000)
        assert load.lost == []
        assert {answer.worker for answer in books.answers} == instance.workers
        books.assert_agree()
        assert_metrics_agree(instance, books)

        assert fleet.sql(SESSIONS) == [(len(instance.workers),)]
        master = psutil.Process(instance.pid).net_connections("all")
        assert [connection.status for connection in master] == [psutil.CONN_LISTEN]
        assert {int(w.heartbeat.worker.split(":")[1]) for w in fleet.store.workers()} >= (
            instance.workers
        )

        with books.load(clients=8, paths=EVERY_WAY) as load:
            load.more(200)
        instance.stop()
        books.assert_agree_now()


def test_workers_that_are_replaced_after_so_many_requests_have_told_everything(
    world: World, tmp_path: Path
) -> None:
    with fleet_of_one(tmp_path, world, "--max-requests 100 --max-requests-jitter 50") as fleet:
        fleet.reset(50)
        fleet.break_domain("raises", share=0.02)
        books = Books(fleet)
        with books.load(clients=4, paths=EVERY_WAY, pause=0.02) as load:
            wait_for(lambda: len({a.worker for a in list(books.answers)}) >= 5, "3 are replaced")
        books.assert_agree()
        assert load.lost == []


@contextmanager
def unreliable(
    world: World, folder: Path, *turns: Cut
) -> Iterator[tuple[Fleet, Books, CuttingProxy]]:
    """One instance whose every batch is sent in vain at first, for all that it knows."""
    with (
        CuttingProxy(world.database_url, turns) as proxy,
        fleet_of_one(folder, world, DATABASE_URL=proxy.url) as fleet,
    ):
        fleet.reset(50)
        yield fleet, Books(fleet), proxy


def test_a_flush_whose_answer_is_lost_is_counted_once(world: World, tmp_path: Path) -> None:
    with unreliable(world, tmp_path, *Cut) as (_, books, proxy):
        before = len(proxy.cuts)
        with books.load(clients=4, paths=EVERY_WAY, pause=0.01) as load:
            wait_for(lambda: len(proxy.cuts) >= before + 9, "flushes were cut in every way")
        assert load.lost == []
        assert set(proxy.cuts.values()) == set(Cut)
        books.assert_agree()


def test_a_worker_that_ends_tells_everything_though_its_connection_is_lost(
    world: World, tmp_path: Path
) -> None:
    with unreliable(world, tmp_path, Cut.BEFORE) as (fleet, books, _):
        with books.load(clients=4, paths=EVERY_WAY) as load:
            load.more(200)
        assert load.lost == []
        for instance in fleet.instances:
            instance.stop()
        books.assert_agree_now()


def test_without_the_counters_folder_clients_and_the_ledger_miss_nothing(
    world: World, tmp_path: Path
) -> None:
    """Something cleans temporary files; new workers bring the folder back."""
    with fleet_of_one(tmp_path, world) as fleet:
        (instance,) = fleet.instances
        fleet.reset(50)
        books = Books(fleet)
        with books.load(clients=4, paths=EVERY_WAY, pause=0.01) as load:
            load.more(200)
            (folder,) = tmp_path.glob("detection-api-metrics-*")
            shutil.rmtree(folder)
            load.more(200)
            before = instance.workers
            os.kill(min(before), signal.SIGTERM)
            instance.wait_until_renewed({min(before)})
            wait_for(lambda: len(instance.workers) == len(before), "another one has its place")
            instance.reload()
            instance.wait_until_renewed(before)
        assert load.lost == []
        books.assert_agree()
        assert instance.get("/metrics").status == 200
