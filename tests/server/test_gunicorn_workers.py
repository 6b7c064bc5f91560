"""gunicorn's workers accept fairly and close no connection that sent a request.

The tests in tests/e2e ask real servers for the rest.
"""

import math
import selectors
import socket
import time
from collections import deque
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from detection_api.server.gunicorn_workers import FairWorker, LoneWorker

CONNECTIONS = 16


def test_a_worker_leaves_connections_that_come_at_once_to_one_that_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each pause of the busy worker lets the waiting one accept a connection."""
    held: tuple[list[Any], list[Any]] = ([], [])
    busy, waiting = (_worker(FairWorker, own) for own in held)
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.setblocking(False)
        for _ in range(CONNECTIONS):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        monkeypatch.setattr(time, "sleep", lambda _: super(FairWorker, waiting).accept(listener))
        for _ in range(CONNECTIONS):
            busy.accept(listener)
        for connection in (*held[0], *held[1]):
            connection.sock.close()
    assert [len(own) for own in held] == [CONNECTIONS / 2, CONNECTIONS / 2]


def _worker(kind: Any, accepted: list[Any]) -> Any:
    """Return a worker that only accepts."""
    worker = kind.__new__(kind)
    worker.cfg, worker.nr_conns = None, 0
    worker.enqueue_req = accepted.append
    return worker


@pytest.mark.parametrize(
    ("waiting", "close_expired"),
    [("keepalived_conns", "murder_keepalived"), ("pending_conns", "murder_pending")],
)
def test_a_lone_worker_that_was_busy_closes_no_connection_that_has_sent_a_request(
    waiting: str, close_expired: str
) -> None:
    worker = LoneWorker.__new__(LoneWorker)
    ours, client = socket.socketpair()
    closed: list[str] = []
    expired = SimpleNamespace(timeout=-math.inf, sock=ours, close=lambda: closed.append("closed"))
    with ours, client, selectors.DefaultSelector() as poller:
        poller.register(ours, selectors.EVENT_READ)
        worker.poller, worker.nr_conns = poller, 1
        setattr(worker, waiting, deque([expired]))
        client.sendall(b"GET")
        getattr(worker, close_expired)()
        assert closed == []
        ours.recv(3)
        getattr(worker, close_expired)()
        assert closed == ["closed"]
