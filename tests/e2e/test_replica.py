"""The domain reads from a replica, and no client sees what becomes of it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from tests.e2e.instance import PATHS, Instance, Load, wait_for, whose
from tests.factory import World
from tests.replicas import Replica, run

LAG_LIMIT = 2
DELAY = 1
"""Seconds that the replica of the comparison is always behind."""
ALLOWED = 5
"""Seconds that it may be: a busy machine looks late, and then it seems to be further behind."""
NOISE = 20
"""Comparisons that have to see the delay."""
WRITE = "INSERT INTO detection_records (camera_id, timestamp) VALUES ('cam0', now())"


@contextmanager
def reading_from(world: World, folder: Path, **environ: str) -> Iterator[tuple[Instance, Replica]]:
    """An instance whose domain reads from a replica that has just begun to follow the world's."""
    replica = Replica(world.postgres, folder / "replica")
    replica.start()
    settings = {
        "DATABASE_READ_URL": replica.url,
        "REPLICA_LAG_LIMIT_S": str(LAG_LIMIT),
        "ROLLOUT_PERCENT": "100",
        "WEB_CONCURRENCY": "2",
        **world.environ,
        **environ,
    }
    try:
        with Instance(folder, settings) as instance:
            yield instance, replica
    finally:
        replica.stop()


def is_read_from(instance: Instance) -> bool:
    """Whether all workers that have looked read from the replica."""
    return instance.metric("detection_api_replica_fit") == 1


def bypassed(instance: Instance, reason: str) -> float:
    return instance.metric("detection_api_replica_bypassed_total", reason=reason)


def test_no_client_sees_a_replica_stop_lag_or_be_promoted(world: World, tmp_path: Path) -> None:
    with (
        reading_from(world, tmp_path, SHADOW_PERCENT="0") as (instance, replica),
        Load(instance) as load,
    ):

        def wait_until_read_from() -> None:
            wait_for(lambda: is_read_from(instance), "the replica is read from")
            load.more(50)

        def wait_until_bypassed(reason: str) -> None:
            before = bypassed(instance, reason)
            wait_for(lambda: bypassed(instance, reason) > before + 50, f"it is {reason}")

        wait_until_read_from()
        replica.stop()
        wait_until_bypassed("away")
        replica.start()
        wait_until_read_from()
        run(replica.url, "SELECT pg_wal_replay_pause()")
        run(world.database_url, WRITE)
        wait_until_bypassed("lagging")
        run(replica.url, "SELECT pg_wal_replay_resume()")
        wait_until_read_from()
        replica.promote()
        wait_until_bypassed("diverged")
    assert load.lost == []
    assert {reply.status for reply in load.replies} == {200}
    assert whose(load.replies).keys() == {"domain; reason=rollout"}


@contextmanager
def writing(url: str) -> Iterator[None]:
    """A detector that writes ten records a second."""
    done = threading.Event()

    def write() -> None:
        connection = psycopg2.connect(url)
        connection.autocommit = True
        while not done.wait(0.1):
            connection.cursor().execute(WRITE)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        done.set()
        writer.join()


@pytest.mark.fleet
def test_a_replica_that_is_always_behind_is_no_difference_between_the_arms(
    world: World, tmp_path: Path
) -> None:
    """Legacy has the record of a moment ago, the domain not yet: that is noise."""
    settings = {"SHADOW_PERCENT": "100", "REPLICA_LAG_LIMIT_S": str(ALLOWED)}
    with reading_from(world, tmp_path, **settings) as (instance, replica):
        replica.delay(DELAY)
        with writing(world.database_url), Load(instance, 1, PATHS[:1], pause=0.1):
            seen = {"outcome": "noise"}
            wait_for(lambda: instance.metric("canary_comparisons_total", **seen) >= NOISE, "noise")
        assert instance.metric("canary_mismatches_total") == 0
