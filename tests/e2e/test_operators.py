"""Operators' tokens over several gunicorn workers, which share nothing but PostgreSQL."""

import json
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from detection_api import token_format
from detection_api.models.tokens import Role
from detection_api.services.tokens import Tokens
from detection_api.web.throttle import BURST
from tests.canary.stores import pool_of
from tests.e2e.instance import Instance, wait_for
from tests.factory import World

STATE = "/api/v1/rollout"
WITHIN = 1.0
"""Seconds after which a revoked token is refused everywhere."""


@pytest.fixture
def tokens(world: World) -> Iterator[Tokens]:
    pool = pool_of(world.database_url)
    yield Tokens(pool.connection)
    pool.dispose()


def ask(instance: Instance, token: str) -> int:
    """The status of a request on a connection of its own, and so of any worker."""
    return instance.get(STATE, Authorization=f"Bearer {token}").status


def test_a_revoked_token_is_refused_by_every_worker_within_a_second(
    world: World, tmp_path: Path, tokens: Tokens
) -> None:
    token = tokens.create("ann", Role.OPERATOR, by="test")
    asked: list[tuple[float, int]] = []
    stop = threading.Event()

    def keep_asking(instance: Instance) -> None:
        while not stop.is_set():
            began = time.monotonic()
            asked.append((began, ask(instance, token)))

    with Instance(tmp_path, world.environ) as instance:
        assert len(instance.workers) == 2
        threads = [threading.Thread(target=keep_asking, args=(instance,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(asked) >= 60, "the token is known to both workers")
        before = {status for _, status in asked}
        tokens.revoke("ann", by="test", reason="has left")
        revoked_at = time.monotonic()

        def late() -> list[int]:
            return [status for began, status in asked if began > revoked_at + WITHIN]

        wait_for(lambda: len(late()) >= 60, "the token is refused by both workers")
        stop.set()
        for thread in threads:
            thread.join()
    assert before == {200}
    assert set(late()) <= {401, 429}
    assert token not in instance.log.read_text()


def test_wrong_tokens_are_counted_over_all_workers_and_none_is_written_anywhere(
    world: World, tmp_path: Path, tokens: Tokens
) -> None:
    right = tokens.create("bob", Role.VIEWER, by="test")
    with Instance(tmp_path, world.environ) as instance:
        wrong = [token_format.new_token() for _ in range(40)]
        began = time.monotonic()
        statuses = [ask(instance, token) for token in wrong]
        allowed = BURST + int(time.monotonic() - began) // 6 + 1
        assert set(statuses) == {401, 429}
        assert BURST <= statuses.count(401) <= allowed
        assert ask(instance, right) == 200
        _send_unreadable(instance, right)
        assert ask(instance, right) == 200
    tokens.revoke("bob", by="test", reason="")
    text = instance.log.read_text()
    assert not [token for token in (*wrong, right) if token in text]
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert "bob" in {line.get("operator") for line in lines}


def _send_unreadable(instance: Instance, token: str) -> None:
    """Have gunicorn itself find fault with the header that has the token."""
    connection = HTTPConnection("127.0.0.1", instance.port, timeout=30)
    connection.connect()
    connection.sock.sendall(
        f"GET {STATE} HTTP/1.1\r\nHost: x\r\nAuthorization Bearer {token}\r\n\r\n".encode()
    )
    answer = connection.sock.recv(65536)
    connection.close()
    assert answer.startswith(b"HTTP/1.1 400")
