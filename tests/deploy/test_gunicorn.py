"""What gunicorn.conf.py promises beside what tests/e2e ask of real servers."""

import math
import os
import runpy
import selectors
import socket
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

CONFIGURATION = Path(__file__).parents[2] / "gunicorn.conf.py"
CONNECTIONS = 16


def test_a_worker_leaves_connections_that_come_at_once_to_one_that_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other worker takes one whenever the first, which would take all, lets it."""
    monkeypatch.setenv("DETECTION_API_METRICS_OWNER", str(os.getpid()))
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "unused")
    fair_worker = runpy.run_path(str(CONFIGURATION))["FairWorker"]
    held: tuple[list[Any], list[Any]] = ([], [])
    busy, waiting = (_worker(fair_worker, own) for own in held)
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.setblocking(False)
        for _ in range(CONNECTIONS):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        monkeypatch.setattr(time, "sleep", lambda _: super(fair_worker, waiting).accept(listener))
        for _ in range(CONNECTIONS):
            busy.accept(listener)
        for connection in (*held[0], *held[1]):
            connection.sock.close()
    assert [len(own) for own in held] == [CONNECTIONS / 2, CONNECTIONS / 2]


def _worker(kind: Any, accepted: list[Any]) -> Any:
    """A worker that only accepts."""
    worker = kind.__new__(kind)
    worker.cfg, worker.nr_conns = None, 0
    worker.enqueue_req = accepted.append
    return worker


@pytest.mark.parametrize(
    ("waiting", "close_expired"),
    [("keepalived_conns", "murder_keepalived"), ("pending_conns", "murder_pending")],
)
def test_a_lone_worker_that_was_busy_closes_no_connection_that_has_asked_meanwhile(
    monkeypatch: pytest.MonkeyPatch, waiting: str, close_expired: str
) -> None:
    monkeypatch.setenv("DETECTION_API_METRICS_OWNER", str(os.getpid()))
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "unused")
    lone_worker = runpy.run_path(str(CONFIGURATION))["LoneWorker"]
    worker = lone_worker.__new__(lone_worker)
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
