"""Every wait on PostgreSQL ends by the deadline, and a failed connection is used no more."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors, extensions

from detection_api.db.pool import READ_ONLY, Pool, bound_waits
from detection_api.errors import DeadlineExceededError
from tests.clusters import Clusters

DEADLINE = 0.5
NAME = "pool under test"


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    bound_waits()
    yield
    extensions.set_wait_callback(None)


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    pool = Pool(database_url, size=1, deadline=DEADLINE, name=NAME, settings=READ_ONLY)
    yield pool
    pool.dispose()


def ask(pool: Pool, sql: str) -> Any:
    """The first column of the first row."""
    with pool.connection() as connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        row = cursor.fetchone()
        assert row is not None
        return row[0]


def backend(pool: Pool) -> int:
    pid: int = ask(pool, "SELECT pg_backend_pid()")
    return pid


@contextmanager
def exceeding(*, by: float = DEADLINE) -> Iterator[None]:
    """DeadlineExceededError, and `by` seconds from now at the latest."""
    started = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        yield
    assert time.monotonic() - started < by + 0.4


def test_a_slow_statement_is_cancelled_by_the_server(pool: Pool) -> None:
    with exceeding():
        ask(pool, "SELECT pg_sleep(60)")


def test_a_lock_is_not_waited_for_beyond_the_deadline(pool: Pool, database: str) -> None:
    holder = psycopg2.connect(database)
    with holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE cameras")
        with exceeding():
            ask(pool, "SELECT count(*) FROM cameras")
    holder.close()
    assert ask(pool, "SELECT count(*) FROM cameras") == 0


def test_a_frozen_server_is_left_and_used_again_when_it_goes_on(pool: Pool) -> None:
    frozen = backend(pool)
    os.kill(frozen, signal.SIGSTOP)
    try:
        with exceeding():
            ask(pool, "SELECT 1")
        assert ask(pool, "SELECT 1") == 1
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert backend(pool) != frozen


def test_a_server_that_does_not_even_greet_is_left(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        pool = Pool(
            f"postgresql://127.0.0.1:{port}/any",
            size=1,
            deadline=DEADLINE,
            name=NAME,
            settings=READ_ONLY,
        )
        with exceeding():
            ask(pool, "SELECT 1")


def test_a_server_that_is_not_there_is_an_error_at_once(pool: Pool) -> None:
    absent = Pool(
        "postgresql://127.0.0.1:1/any", size=1, deadline=DEADLINE, name=NAME, settings=READ_ONLY
    )
    with pytest.raises(psycopg2.OperationalError):
        ask(absent, "SELECT 1")


def test_the_deadline_is_for_all_statements_of_a_read(pool: Pool) -> None:
    with exceeding(), pool.connection() as connection:
        cursor = connection.cursor()
        for _ in range(3):
            cursor.execute("SELECT pg_sleep(%s)", [DEADLINE * 0.4])


def test_time_between_statements_counts_too(pool: Pool) -> None:
    with exceeding(by=DEADLINE * 1.1), pool.connection() as connection:
        threading.Event().wait(DEADLINE * 1.1)
        connection.cursor().execute("SELECT 1")


def test_a_pool_that_is_used_up_is_an_error_within_the_deadline(pool: Pool) -> None:
    taken, done = threading.Event(), threading.Event()

    def occupy() -> None:
        with pool.connection():
            taken.set()
            done.wait(10)

    occupant = threading.Thread(target=occupy)
    occupant.start()
    assert taken.wait(10)
    with exceeding():
        ask(pool, "SELECT 1")
    done.set()
    occupant.join()
    assert ask(pool, "SELECT 1") == 1


@pytest.mark.parametrize("failures", range(1, 4))
def test_failures_use_up_no_connections(pool: Pool, failures: int) -> None:
    for _ in range(failures):
        with pytest.raises(errors.DivisionByZero):
            ask(pool, "SELECT 1 / 0")
    assert ask(pool, "SELECT 1") == 1


def test_a_connection_is_used_again_unless_its_read_failed(pool: Pool) -> None:
    first = backend(pool)
    assert backend(pool) == first
    with pytest.raises(errors.UndefinedTable):
        ask(pool, "SELECT * FROM nothing")
    assert backend(pool) != first


def test_a_deadline_ends_with_its_read(pool: Pool, database_url: str) -> None:
    assert ask(pool, "SELECT 1") == 1
    with psycopg2.connect(database_url) as own, own.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [DEADLINE * 1.5])
    own.close()


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE t (i int)", "DELETE FROM cameras", "SELECT nextval('violation_events_id_seq')"],
)
def test_connections_cannot_write(pool: Pool, statement: str) -> None:
    with pytest.raises(errors.ReadOnlySqlTransaction):
        ask(pool, statement)


def test_no_transaction_is_left_open(pool: Pool, database_url: str) -> None:
    assert ask(pool, "SELECT 1") == 1
    with psycopg2.connect(database_url) as own, own.cursor() as cursor:
        cursor.execute("SELECT state FROM pg_stat_activity WHERE application_name = %s", [NAME])
        assert cursor.fetchall() == [("idle",)]
    own.close()


def test_sessions_are_in_utc_and_the_url_keeps_its_own_options(database_url: str) -> None:
    url = f"{database_url}&options=-c%20TimeZone%3DAsia/Tokyo%20-c%20work_mem%3D5MB"
    pool = Pool(url, size=1, deadline=DEADLINE, name=NAME, settings=READ_ONLY)
    assert ask(pool, "SELECT current_setting('TimeZone')") == "UTC"
    assert ask(pool, "SELECT current_setting('work_mem')") == "5MB"
    pool.dispose()


def test_a_server_that_takes_writes_may_be_asked_for_though_the_session_will_not_write(
    database_url: str, tmp_path: Path
) -> None:
    """A URL of several hosts finds the primary that way, whichever of them it is now."""
    url = database_url.replace("host=", f"host={tmp_path},") + "&target_session_attrs=read-write"
    pool = Pool(url, size=1, deadline=DEADLINE, name=NAME, settings=READ_ONLY)
    assert ask(pool, "SELECT current_setting('default_transaction_read_only')") == "on"
    pool.dispose()


def test_a_read_may_have_less_time_than_others_of_its_pool(pool: Pool) -> None:
    with exceeding(by=DEADLINE / 5), pool.connection(within=DEADLINE / 5) as connection:
        connection.cursor().execute("SELECT pg_sleep(60)")
    assert ask(pool, "SELECT 1") == 1


def test_a_restart_of_the_server_fails_no_read(clusters: Clusters, tmp_path: Path) -> None:
    server = clusters.create(tmp_path)
    pool = Pool(server.start(), size=2, deadline=5, name=NAME, settings=READ_ONLY)
    try:
        with pool.connection():
            assert ask(pool, "SELECT 1") == 1
        server.stop()
        server.start()
        assert [ask(pool, "SELECT 1") for _ in range(2)] == [1, 1]
    finally:
        pool.dispose()
        server.stop()


def test_a_session_has_the_settings_of_its_pool(database_url: str) -> None:
    settings = {"idle_session_timeout": "2500", "work_mem": "5MB"}
    pool = Pool(database_url, size=1, deadline=DEADLINE, name=NAME, settings=settings)
    assert ask(pool, "SELECT current_setting('idle_session_timeout')") == "2500ms"
    assert ask(pool, "SELECT current_setting('work_mem')") == "5MB"
    assert ask(pool, "SELECT current_setting('default_transaction_read_only')") == "off"
    pool.dispose()


FORKING = """
import os, sys
from detection_api.db.pool import READ_ONLY, Pool, bound_waits

def backend(pool):
    with pool.connection() as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]

bound_waits()
pool = Pool(sys.argv[1], size=1, deadline=5, name="forking", settings=READ_ONLY)
own = backend(pool)
if os.fork() == 0:
    theirs = {backend(pool) for _ in range(3)}
    pool.dispose()
    print(len(theirs), own in theirs, flush=True)
    sys.exit()
os.wait()
print(backend(pool) == own)
"""


def test_a_forked_process_neither_uses_nor_ends_the_connections_of_its_parent(
    database_url: str,
) -> None:
    """The child has one of its own, closes it and ends; its parent's is as it was."""
    command = [sys.executable, "-W", "error", "-c", FORKING, database_url]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.stdout, ended.stderr) == ("1 False\nTrue\n", "")


def test_a_forked_process_may_close_a_pool_that_it_never_used(database_url: str) -> None:
    script = FORKING.replace("{backend(pool) for _ in range(3)}", "set()")
    command = [sys.executable, "-W", "error", "-c", script, database_url]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.stdout, ended.stderr) == ("0 False\nTrue\n", "")
