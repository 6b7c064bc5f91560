"""Granian, the fast alternative, keeps the promises that gunicorn's configuration makes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import psycopg2
import pytest

from tests.e2e.instance import PATHS, ROOT, Instance, Load, wait_for
from tests.factory import World

RESPAWN_INTERVAL = 10
"""Seconds between the start of a worker and the end of the one in whose place it is."""
FOLDERS = "detection-api-metrics-of-*"
COUNTED = "SELECT sum(requests) FROM canary_ledger"
FORGET = "DELETE FROM canary_ledger"


class Granian(Instance):
    """Granian with 2 workers; what it and they leave behind is in a folder of their own."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        super().__init__(folder, {"TMPDIR": str(folder), **environ})
        self.folder = folder

    def start(self) -> None:
        """Start it, for the first time or again; it is up some seconds later."""
        command = ["granian", "--interface", "wsgi", "--port", str(self.port), "--workers", "2"]
        respawn = ["--respawn-failed-workers", "--respawn-interval", str(RESPAWN_INTERVAL)]
        ending = ["--workers-kill-timeout", "30"]  # a worker that boots may miss that it has to
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command, *respawn, *ending, "wsgi:app"],
                cwd=ROOT,
                env=self.environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def workers(self) -> set[int]:
        """The process ids of its workers: not those of what multiprocessing runs beside them."""
        children = psutil.Process(self.pid).children()
        alive = (child for child in children if child.status() != psutil.STATUS_ZOMBIE)
        return {child.pid for child in alive if "resource_tracker" not in str(child.cmdline())}


@contextmanager
def granian(folder: Path, world: World, **environ: str) -> Iterator[Granian]:
    """An instance of its own."""
    folder.mkdir()
    with Granian(folder, {**world.environ, "SHADOW_PERCENT": "0", **environ}) as instance:
        yield instance


def query(world: World, sql: str) -> int:
    """Run a statement; the number that it finds, if it finds one."""
    with closing(psycopg2.connect(world.environ["DATABASE_URL"])) as connection, connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        row = cursor.fetchone() if cursor.description else None
    return int(row[0] or 0) if row else 0


def test_all_workers_count_into_one_folder_and_tell_everything_when_they_end(
    world: World, tmp_path: Path
) -> None:
    with granian(tmp_path / "a", world, ROLLOUT_PERCENT="100") as instance:
        query(world, FORGET)
        asked = instance.metric("canary_requests_total")
        with Load(instance, paths=PATHS) as load:
            load.more(500)
        assert {(reply.status, reply.who) for reply in load.replies} == {
            (200, "domain; reason=rollout")
        }
        assert load.lost == []
        sent = len(load.replies)
        wait_for(
            lambda: instance.metric("canary_requests_total") - asked == sent, "all are counted"
        )
        (counters,) = instance.folder.glob(FOLDERS)
        assert len({f.stem for f in counters.glob("counter_*.db")}) == len(instance.workers) == 2
        last = instance.get(PATHS[5])
        assert last.status == 200
    assert query(world, COUNTED) == sent + 1
    with granian(tmp_path / "b", world, TMPDIR=str(instance.folder)):
        (remaining,) = instance.folder.glob(FOLDERS)
        assert remaining != counters


@pytest.mark.fleet
def test_an_edited_env_file_and_a_hup_roll_back_without_a_lost_request(
    world: World, tmp_path: Path
) -> None:
    with granian(tmp_path / "a", world, ROLLOUT_PERCENT="100") as instance:
        before = instance.workers
        with Load(instance) as load:
            load.more(100)
            instance.env_file.write_text("USE_DOMAIN_SERVICE=false\n")
            instance.reload()
            instance.wait_until_renewed(before)
            after = load.more(50)[-20:]
        assert load.lost == []
        assert {reply.status for reply in load.replies} == {200}
        assert {reply.who for reply in after} == {"legacy; reason=kill_switch"}
        assert {reply.who for reply in load.replies} == {
            "domain; reason=rollout",
            "legacy; reason=kill_switch",
        }


def test_the_gauges_of_a_killed_worker_are_forgotten(world: World, tmp_path: Path) -> None:
    with granian(tmp_path / "a", world) as instance:
        victim, *_ = before = sorted(instance.workers)
        (counters,) = instance.folder.glob(FOLDERS)
        wait_for(lambda: list(counters.glob(f"gauge_live*_{victim}.db")), "the gauges are there")
        os.kill(victim, signal.SIGKILL)
        wait_for(
            lambda: (
                len(instance.workers - {victim}) == len(before)
                and not list(counters.glob(f"gauge_live*_{victim}.db"))
            ),
            "another worker is there, and the gauges are not",
        )
