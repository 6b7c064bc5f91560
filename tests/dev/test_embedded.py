"""Embedded servers keep their data, end when they are told to, and survive bad endings."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import redis

from detection_api.dev.embedded import EmbeddedPostgres, EmbeddedServerError, EmbeddedValkey
from tests.ingest.support import query, wait_until


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server for one test to mistreat, in a folder whose cluster is not there yet."""
    server = EmbeddedPostgres(tmp_path / "postgres")
    yield server
    server.stop()


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """The same for Valkey."""
    server = EmbeddedValkey(tmp_path / "valkey")
    yield server
    server.stop()


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def answers(url: str) -> bool:
    with closing(redis.Redis.from_url(url)) as client:
        return bool(client.ping())


def test_postgresql_keeps_its_data_over_stops_and_kills(postgres: EmbeddedPostgres) -> None:
    query(postgres.start(), "CREATE TABLE kept AS SELECT 1 AS one")
    stopped = postgres.pid
    postgres.stop()
    assert is_gone(stopped)
    postgres.start()
    os.kill(killed := postgres.pid, signal.SIGKILL)
    wait_until(lambda: is_gone(killed))
    assert query(postgres.start(), "SELECT one FROM kept") == [(1,)]


def test_a_running_postgresql_is_used_again(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    url, pid = postgres.start(), postgres.pid
    another = EmbeddedPostgres(tmp_path / "postgres")
    assert (another.start(), another.pid) == (url, pid)


def test_a_cluster_that_was_cut_short_is_made_anew(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """PostgreSQL would not start on half a cluster, however often it is tried."""
    unfinished = tmp_path / "postgres.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18")
    assert query(postgres.start(), "SELECT 1") == [(1,)]
    assert not unfinished.exists()


def test_a_process_id_that_belongs_to_another_process_now_is_no_server(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """As after a restart of the machine."""
    postgres.start()
    postgres.stop()
    remains = f"{os.getpid()}\n/nowhere\n1\n5432\n/nowhere\n\n1 1\nready\n"
    (tmp_path / "postgres" / "postmaster.pid").write_text(remains)
    assert query(postgres.start(), "SELECT 1") == [(1,)]


def test_a_cluster_that_is_broken_is_one_clear_error(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    postgres.start()
    postgres.stop()
    shutil.rmtree(tmp_path / "postgres" / "global")
    log = tmp_path / "postgres" / "log"
    with pytest.raises(EmbeddedServerError, match=f"PostgreSQL did not start, see {log}"):
        postgres.start()


def test_programs_of_postgresql_are_at_hand(postgres: EmbeddedPostgres) -> None:
    assert {"psql", "pgbench", "pg_basebackup"} <= {path.name for path in postgres.bin.iterdir()}


def test_ctrl_c_in_the_terminal_leaves_valkey_to_us(valkey: EmbeddedValkey) -> None:
    """The terminal sends it to every process; ours decides in which order they end."""
    url = valkey.start()
    os.kill(valkey.pid, signal.SIGINT)
    assert answers(url)
    ended = valkey.pid
    valkey.stop()
    assert is_gone(ended)


def test_valkey_starts_on_the_port_it_had(valkey: EmbeddedValkey) -> None:
    url = valkey.start()
    valkey.stop()
    assert valkey.start(int(url.rpartition(":")[2])) == url


def test_a_valkey_that_an_earlier_run_left_behind_is_ended(
    valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    left_behind = EmbeddedValkey(tmp_path / "valkey")
    left_behind.start()
    pid = left_behind.pid
    assert answers(valkey.start())
    assert is_gone(pid)
    left_behind.stop()


def test_a_valkey_that_cannot_start_is_one_clear_error(valkey: EmbeddedValkey) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(EmbeddedServerError, match="Valkey did not start"):
            valkey.start(taken.getsockname()[1])


def test_stopping_what_does_not_run_does_nothing(
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey
) -> None:
    postgres.stop()
    valkey.stop()


def test_a_server_that_was_killed_can_be_stopped(valkey: EmbeddedValkey) -> None:
    valkey.start()
    os.kill(valkey.pid, signal.SIGKILL)
    valkey.stop()
