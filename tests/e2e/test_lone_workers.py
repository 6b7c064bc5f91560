"""Workers of one thread (THREADS=1) keep what those of several promise; a HUP: `test_rollout`."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.instance import PATHS, Instance
from tests.factory import World

REQUEST = b"GET /api/v1/cameras HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST_REQUEST = REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
PIPELINED = 1000
"""More than the frames that Python allows, were each answered within the one before."""


@pytest.fixture(scope="module")
def instance(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    environ = {**world.environ, "ROLLOUT_PERCENT": "100", "THREADS": "1"}
    with Instance(tmp_path_factory.mktemp("instance"), environ) as started:
        yield started


@contextmanager
def connected(instance: Instance, count: int) -> Iterator[list[socket.socket]]:
    """So many connections; nothing is said over them yet."""
    with ExitStack() as stack:
        address = ("127.0.0.1", instance.port)
        yield [
            stack.enter_context(socket.create_connection(address, timeout=30)) for _ in range(count)
        ]


def test_clients_that_say_nothing_or_half_a_request_keep_nobody_from_an_answer(
    instance: Instance,
) -> None:
    with connected(instance, 20), connected(instance, 2) as halves:
        for half in halves:
            half.sendall(REQUEST[:10])
        assert {instance.get(path).status for path in PATHS} == {200}
        assert [half.recv(1) for half in halves] == [b"", b""]


def test_requests_that_come_at_once_over_a_connection_are_all_answered(instance: Instance) -> None:
    with connected(instance, 1) as (connection,):
        connection.sendall(REQUEST * (PIPELINED - 1) + LAST_REQUEST)
        received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert received.count(b"HTTP/1.1 200 OK") == PIPELINED


@pytest.mark.skipif(sys.platform != "linux", reason="other systems write a head at once")
def test_head_and_body_of_an_answer_come_together(instance: Instance) -> None:
    with connected(instance, 1) as (connection,):
        for _ in range(3):
            connection.sendall(REQUEST)
            head, _, body = connection.recv(1 << 16).partition(b"\r\n\r\n")
            assert f"Content-Length: {len(body)}".encode() in head


def test_an_error_in_a_request_ends_neither_the_worker_nor_its_other_connections(
    instance: Instance,
) -> None:
    workers = instance.workers
    with connected(instance, 8) as connections:
        for connection in connections:
            connection.sendall(b"no HTTP at all\r\n\r\n")
        assert {connection.recv(12) for connection in connections} == {b"HTTP/1.1 400"}
    assert {instance.get(path).status for path in PATHS} == {200}
    assert instance.workers == workers


def test_a_proxy_may_ask_over_a_unix_socket(world: World, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    served = Instance(tmp_path, {**world.environ, "THREADS": "1"})
    served.environ["GUNICORN_CMD_ARGS"] = f"--bind unix:{path} --bind 127.0.0.1:{served.port}"
    with served, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(REQUEST + LAST_REQUEST)
        received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert received.count(b"HTTP/1.1 200 OK") == 2
