"""Reads from a real streaming replica, whatever becomes of it: no read fails for its sake."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from prometheus_client import REGISTRY
from psycopg2 import errors, extensions

from detection_api.db.pool import READ_ONLY, Connection, Pool, bound_waits
from detection_api.db.replica import CHECK_VALID_FOR, DISTRUSTED_FOR, Replicated, Watch
from detection_api.db.replication import Unfit
from detection_api.dev.embedded import EmbeddedPostgres
from tests.clusters import Clusters
from tests.e2e.instance import wait_for
from tests.log_lines import logged
from tests.replicas import Replica, run

LIMIT = 2.0
DEADLINE = 2.0


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    bound_waits()
    yield
    extensions.set_wait_callback(None)


@pytest.fixture(scope="module")
def primary(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedPostgres]:
    server = clusters.create(tmp_path_factory.mktemp("replicated") / "primary")
    run(server.start(), "CREATE TABLE written (n int)")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def replica(
    primary: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replica]:
    made = Replica(primary, tmp_path_factory.mktemp("replica") / "data")
    made.start()
    yield made
    made.stop()


class Reads:
    """A replicated pool whose watch looks when the test says so, by the test's clock."""

    def __init__(self, primary_url: str, replica_url: str) -> None:
        self.now = 1000.0
        self._primary_url = primary_url
        self.watch = Watch(
            pool(primary_url, 1),
            pool(replica_url, 1),
            limit=LIMIT,
            clock=lambda: self.now,
            start=lambda _: None,
        )
        self.pool = Replicated(pool(primary_url), pool(replica_url), self.watch)

    def who(self) -> str:
        return "replica" if self.ask("SELECT pg_is_in_recovery()") else "primary"

    def ask(self, sql: str) -> Any:
        def work(connection: Connection) -> Any:
            cursor = connection.cursor()
            cursor.execute(sql)
            row = cursor.fetchone()
            assert row is not None
            return row[0]

        return self.pool.read(work)

    def write(self) -> None:
        run(self._primary_url, "INSERT INTO written VALUES (1)")

    def settle(self) -> None:
        """Have the replica be read from: a server that nobody uses writes a little now and then."""
        wait_for(lambda: self.look() is None, "the replica has caught up")

    def look(self, after: float = 0) -> Unfit | None:
        self.now += after
        self.watch.check()
        return self.watch.unfit()


def pool(url: str, size: int = 2) -> Pool:
    return Pool(url, size=size, deadline=DEADLINE, name="replica under test", settings=READ_ONLY)


def bypassed(reason: Unfit) -> float:
    labels = {"reason": reason.value}
    return REGISTRY.get_sample_value("detection_api_replica_bypassed_total", labels) or 0.0


@pytest.fixture
def reads(primary: EmbeddedPostgres, replica: Replica) -> Iterator[Reads]:
    replica.catch_up()
    made = Reads(primary.start(), replica.url)
    yield made
    made.pool.dispose()


def test_reads_go_to_the_replica_while_it_is_there_and_close_behind(reads: Reads) -> None:
    reads.settle()
    assert reads.who() == "replica"


def test_reads_go_to_the_primary_until_somebody_has_looked(reads: Reads) -> None:
    before = bypassed(Unfit.UNKNOWN)
    assert reads.who() == "primary"
    assert bypassed(Unfit.UNKNOWN) == before + 1


def test_a_look_that_is_long_ago_says_nothing(reads: Reads) -> None:
    """As when the thread that looks hangs or has died."""
    reads.settle()
    reads.now += CHECK_VALID_FOR
    assert reads.watch.unfit() is Unfit.UNKNOWN
    assert reads.who() == "primary"


def test_a_replica_that_is_too_far_behind_is_left_alone_until_it_has_caught_up(
    reads: Reads, replica: Replica
) -> None:
    reads.settle()
    run(replica.url, "SELECT pg_wal_replay_pause()")
    try:
        reads.write()
        assert reads.look() is None
        before = bypassed(Unfit.LAGGING)
        assert reads.look(after=LIMIT + 0.1) is Unfit.LAGGING
        assert reads.who() == "primary"
        assert bypassed(Unfit.LAGGING) == before + 1
        assert (REGISTRY.get_sample_value("detection_api_replica_lag_seconds") or 0) >= LIMIT
        assert REGISTRY.get_sample_value("detection_api_replica_fit") == 0
    finally:
        run(replica.url, "SELECT pg_wal_replay_resume()")
    replica.catch_up()
    reads.settle()
    assert reads.who() == "replica"
    assert REGISTRY.get_sample_value("detection_api_replica_fit") == 1


def test_a_replica_is_not_behind_for_nothing_was_written_for_an_hour(reads: Reads) -> None:
    wait_for(lambda: reads.look(after=3600) is None, "both servers are at the same place")


def test_a_replica_that_goes_away_fails_no_read_and_is_used_again_when_it_is_back(
    reads: Reads, replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    reads.settle()
    assert reads.who() == "replica"
    replica.stop()
    try:
        failed, away = bypassed(Unfit.FAILED), bypassed(Unfit.AWAY)
        assert [reads.who() for _ in range(3)] == ["primary"] * 3
        assert bypassed(Unfit.FAILED) == failed + 3
        for _ in range(3):
            assert reads.look(after=DISTRUSTED_FOR) is Unfit.AWAY
        assert reads.who() == "primary"
        assert bypassed(Unfit.AWAY) == away + 1
    finally:
        replica.start()
    reads.settle()
    assert reads.who() == "replica"
    events = [line["event"] for line in logged(caplog) if "replica" in line["event"]]
    assert events == ["replica_read", "replica_bypassed", "replica_bypassed", "replica_read"]


def test_a_frozen_replica_costs_a_read_no_more_than_its_share_of_the_deadline(
    reads: Reads,
) -> None:
    reads.settle()
    frozen = reads.ask("SELECT pg_backend_pid()")
    os.kill(frozen, signal.SIGSTOP)
    try:
        started = time.monotonic()
        assert reads.who() == "primary"
        assert time.monotonic() - started < DEADLINE
        assert reads.watch.unfit() is Unfit.FAILED
    finally:
        os.kill(frozen, signal.SIGCONT)


def test_a_replica_that_failed_a_read_is_distrusted_for_a_while_however_it_looks(
    reads: Reads,
) -> None:
    reads.settle()
    reads.watch.distrust(psycopg2.OperationalError("terminating connection"))
    assert reads.look(after=DISTRUSTED_FOR - 0.1) is Unfit.FAILED
    reads.now += 0.1
    reads.settle()
    assert reads.who() == "replica"


def test_what_is_the_statements_own_fault_is_raised_as_it_is(reads: Reads) -> None:
    reads.settle()
    with pytest.raises(errors.DivisionByZero):
        reads.ask("SELECT 1 / 0")


def test_a_replica_without_the_newest_schema_fails_no_read(reads: Reads, replica: Replica) -> None:
    reads.settle()
    run(replica.url, "SELECT pg_wal_replay_pause()")
    try:
        run(reads._primary_url, "CREATE TABLE newest AS SELECT 7 AS n")
        assert reads.ask("SELECT n FROM newest") == 7
    finally:
        run(replica.url, "SELECT pg_wal_replay_resume()")
        run(reads._primary_url, "DROP TABLE newest")


def test_nothing_can_be_written_on_either(reads: Reads) -> None:
    reads.settle()
    for _ in range(2):
        with pytest.raises(errors.ReadOnlySqlTransaction):
            reads.ask("INSERT INTO written VALUES (1) RETURNING n")
        reads.look(after=DISTRUSTED_FOR)


def test_one_thread_looks_by_itself_until_the_pool_is_disposed_of(
    primary: EmbeddedPostgres, replica: Replica
) -> None:
    url = primary.start()
    watch = Watch(pool(url, 1), pool(replica.url, 1), limit=LIMIT)
    replicated = Replicated(pool(url), pool(replica.url), watch)

    def who(connection: Connection) -> bool:
        cursor = connection.cursor()
        cursor.execute("SELECT pg_is_in_recovery()")
        (row,) = cursor.fetchall()
        return bool(row[0])

    wait_for(lambda: replicated.read(who), "the replica answers")
    replicated.dispose()
    wait_for(lambda: watch.unfit() is Unfit.UNKNOWN, "nobody looks any more")
    assert not replicated.read(who)


def test_a_url_of_several_hosts_is_the_first_that_is_there(
    primary: EmbeddedPostgres, replica: Replica, tmp_path: Path
) -> None:
    both = replica.url.replace("host=", f"host={tmp_path},")
    reads = Reads(primary.start(), both)
    reads.settle()
    assert reads.who() == "replica"
    reads.pool.dispose()


@pytest.fixture
def promotable(primary: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = Replica(primary, tmp_path_factory.mktemp("promotable") / "data")
    made.start()
    yield made
    made.stop()


def test_promotion_fails_no_read(
    primary: EmbeddedPostgres, promotable: Replica, tmp_path: Path
) -> None:
    """First beside the old primary, which goes on being read; then in its place."""
    old = primary.start()
    writable = promotable.url.replace("host=", f"host={old.split('host=')[1]},")
    reads = Reads(f"{writable}&target_session_attrs=read-write", promotable.url)
    promotable.catch_up()
    reads.settle()
    promotable.promote()
    assert reads.ask("SELECT 1") == 1
    assert reads.look(after=DISTRUSTED_FOR) is Unfit.DIVERGED
    run(old, "INSERT INTO written VALUES (42)")
    assert reads.ask("SELECT count(*) FROM written WHERE n = 42") == 1
    primary.stop()
    try:
        assert reads.ask("SELECT 1") == 1
        assert reads.look() is None
        assert reads.ask("SELECT count(*) FROM written WHERE n = 42") == 0
    finally:
        primary.start()
        reads.pool.dispose()


def test_while_the_primary_is_away_the_replica_goes_on(
    reads: Reads, primary: EmbeddedPostgres
) -> None:
    reads.settle()
    primary.stop()
    try:
        assert reads.look(after=3600) is None
        assert reads.who() == "replica"
    finally:
        primary.start()
