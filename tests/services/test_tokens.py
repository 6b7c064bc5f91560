"""Tokens are recognised as long as they are in use, and cost PostgreSQL next to nothing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any

import psycopg2
import pytest

from detection_api import token_format
from detection_api.errors import ConflictError, NotFoundError
from detection_api.models.tokens import Role
from detection_api.services.tokens import FRESH_SECONDS, Operator, Recognition, Tokens
from tests.ingest.support import query


class Clock:
    """Time that passes when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Database:
    """Connections to PostgreSQL, counted; `away` has it refuse them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked = 0
        self.away = False

    def connect(self) -> AbstractContextManager[Any]:
        return self._connect()

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        self.asked += 1
        if self.away:
            raise psycopg2.OperationalError("server closed the connection unexpectedly")
        with closing(psycopg2.connect(self.url)) as connection:
            connection.autocommit = True
            yield connection


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def postgres_database(database: str) -> Database:
    return Database(database)


@pytest.fixture
def tokens(postgres_database: Database) -> Tokens:
    return Tokens(postgres_database.connect)


@pytest.fixture
def recognition(tokens: Tokens, clock: Clock) -> Recognition:
    return Recognition(tokens, clock)


def test_the_bearer_of_a_token_is_known_with_its_role(
    tokens: Tokens, recognition: Recognition
) -> None:
    token = tokens.create("alice", Role.OPERATOR, by="root")
    other = tokens.create("screen", Role.VIEWER, by="root")
    found = recognition.by_token(token)
    viewer = Operator(token_id=2, name="screen", role=Role.VIEWER)
    assert recognition.by_token(other) == viewer
    assert found == Operator(token_id=1, name="alice", role=Role.OPERATOR)
    assert found.by == "token:alice"


@pytest.mark.parametrize(
    "change",
    [
        lambda token: "",
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token.swapcase(),
        lambda token: token_format.new_token(),
        lambda token: token_format.digest(token).hex(),
        lambda token: token + "\udcff",
    ],
    ids=["empty", "shorter", "longer", "other case", "another", "its digest", "no unicode"],
)
def test_what_is_not_exactly_a_token_is_nobodys(
    tokens: Tokens, recognition: Recognition, change: Callable[[str], str]
) -> None:
    token = tokens.create("alice", Role.OPERATOR, by="root")
    assert recognition.by_token(change(token)) is None


def test_only_the_hash_of_a_token_is_stored(tokens: Tokens, database: str) -> None:
    token = tokens.create("alice", Role.OPERATOR, by="root")
    for table in ("operator_token", "rollout_event"):
        rows = query(database, f"SELECT t::text FROM {table} t")
        assert rows
        assert token.removeprefix(token_format.PREFIX) not in str(rows)
    ((digest,),) = query(database, "SELECT digest FROM operator_token")
    assert bytes(digest) == token_format.digest(token)


def test_a_revoked_token_is_nobodys_within_a_second(
    tokens: Tokens, recognition: Recognition, clock: Clock
) -> None:
    token = tokens.create("alice", Role.OPERATOR, by="root")
    assert recognition.by_token(token)
    tokens.revoke("alice", by="root", reason="has left")
    clock.now += FRESH_SECONDS
    assert FRESH_SECONDS < 1
    assert recognition.by_token(token) is None
    assert not recognition.knows_any()


def test_a_name_has_one_token_at_a_time(tokens: Tokens, recognition: Recognition) -> None:
    first = tokens.create("alice", Role.OPERATOR, by="root")
    with pytest.raises(ConflictError, match="alice"):
        tokens.create("alice", Role.VIEWER, by="root")
    tokens.revoke("alice", by="root", reason="")
    with pytest.raises(NotFoundError, match="alice"):
        tokens.revoke("alice", by="root", reason="")
    second = tokens.create("alice", Role.VIEWER, by="root")
    assert recognition.by_token(first) is None
    assert recognition.by_token(second)


def test_postgres_is_asked_no_more_often_however_many_tokens_are_shown(
    recognition: Recognition, postgres_database: Database, clock: Clock
) -> None:
    for _ in range(100):
        recognition.by_token(token_format.new_token())
        clock.now += FRESH_SECONDS / 100
    assert postgres_database.asked == 1
    clock.now += FRESH_SECONDS / 100
    recognition.by_token("")
    assert postgres_database.asked == 2


def test_while_postgres_is_away_nobody_is_recognised_and_nobody_waits_for_it_in_turn(
    tokens: Tokens, recognition: Recognition, postgres_database: Database, clock: Clock
) -> None:
    token = tokens.create("alice", Role.OPERATOR, by="root")
    assert recognition.by_token(token)
    postgres_database.away = True
    assert recognition.by_token(token), "as long as what is known is fresh"
    clock.now += FRESH_SECONDS
    asked = postgres_database.asked
    for _ in range(10):
        with pytest.raises(psycopg2.OperationalError):
            recognition.by_token(token)
    assert postgres_database.asked == asked + 1
    postgres_database.away = False
    clock.now += FRESH_SECONDS
    assert recognition.by_token(token)


def test_threads_that_come_at_once_ask_once(
    recognition: Recognition, postgres_database: Database
) -> None:
    together = threading.Barrier(8)

    def look() -> None:
        together.wait()
        recognition.by_token("dapi_x")

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert postgres_database.asked == 1
