"""Answers are kept for as long as they may be old; a cache that is away costs nobody an answer."""

import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, TypedDict

import pytest
import redis
from flask import Flask
from prometheus_client import REGISTRY
from redis.backoff import NoBackoff
from redis.retry import Retry

from detection_api.db.cache import PAUSE, TIMEOUT, Cache
from detection_api.dev.embedded import EmbeddedValkey
from tests.log_lines import logged


class Day(TypedDict):
    date: date
    total: int


class Source:
    """Makes an answer anew each time, and a cache in front of it whose clock the test moves."""

    def __init__(self, url: str, ttl: int = 60, timeout: float = 10) -> None:
        self.now = 1000.0
        self.made = 0
        self.cache = Cache(timeout=timeout, clock=lambda: self.now)
        self.cache.init_app(Flask("cached"), url, ttl)

    def make(self) -> list[Day]:
        self.made += 1
        return [{"date": date(2025, 10, 31), "total": self.made}]

    def ask(self, *key: Any) -> int:
        (day,) = self.cache.remember(("days", *key), list[Day], self.make)
        assert day["date"] == date(2025, 10, 31)
        return day["total"]


@pytest.fixture
def valkey_url(valkey: EmbeddedValkey) -> Iterator[str]:
    """A database of the server's that nobody else uses, empty."""
    url = f"{valkey.url.rstrip('/')}/5"
    yield url
    with redis.Redis.from_url(url) as client:
        client.flushdb()


@pytest.fixture(params=["process", "valkey"])
def source(request: pytest.FixtureRequest) -> Source:
    """Each test with this fixture runs over both kinds of cache."""
    return Source("" if request.param == "process" else request.getfixturevalue("valkey_url"))


def looked_up(outcome: str) -> float:
    name = "detection_api_cache_lookups_total"
    return REGISTRY.get_sample_value(name, {"outcome": outcome}) or 0.0


def test_the_same_question_is_answered_once(source: Source) -> None:
    hits, misses = looked_up("hit"), looked_up("miss")
    assert [source.ask("cam0") for _ in range(3)] == [1, 1, 1]
    assert (looked_up("hit"), looked_up("miss")) == (hits + 2, misses + 1)


@pytest.mark.parametrize("other", [("cam1",), (None,), ("None",), ("cam0", 7), (7,)])
def test_another_question_has_an_answer_of_its_own(source: Source, other: tuple[Any, ...]) -> None:
    source.ask("cam0")
    assert source.ask(*other) == 2
    assert (source.ask("cam0"), source.ask(*other)) == (1, 2)


def test_an_answer_is_forgotten_when_it_is_too_old(valkey_url: str) -> None:
    source = Source(valkey_url, ttl=7)
    source.ask()
    with redis.Redis.from_url(valkey_url) as client:
        (key,) = client.keys()
        assert 0 < client.ttl(key) <= 7


def test_a_processs_own_answer_is_forgotten_when_it_is_too_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Source("", ttl=7)
    source.ask()
    now = time.time()
    monkeypatch.setattr("cachelib.simple.time", lambda: now + 5.9)
    assert source.ask() == 1
    monkeypatch.setattr("cachelib.simple.time", lambda: now + 7.1)
    assert source.ask() == 2


def test_without_a_time_nothing_is_kept() -> None:
    source = Source("", ttl=0)
    assert [source.ask() for _ in range(2)] == [1, 2]


def test_before_there_is_an_application_nothing_is_kept() -> None:
    made = iter(range(2))
    assert [Cache().remember((), int, lambda: next(made)) for _ in range(2)] == [0, 1]


def test_workers_share_what_is_in_valkey(valkey_url: str) -> None:
    assert Source(valkey_url).ask() == 1
    other = Source(valkey_url)
    assert (other.ask(), other.made) == (1, 0)


def test_what_is_the_makers_fault_is_raised_and_not_kept(source: Source) -> None:
    def fail() -> list[Day]:
        raise LookupError("no days")

    with pytest.raises(LookupError):
        source.cache.remember(("days",), list[Day], fail)
    assert source.ask() == 1


class Trap:
    """Unpickled, it would run code."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return pytest.fail, ("somebody's pickle was run",)


@pytest.mark.parametrize(
    "rubbish", [b"", b"\xff", b"{", b'[{"date": 5}]', b"!" + pickle.dumps(Trap())], ids=repr
)
def test_what_others_left_in_valkey_is_never_run_nor_believed(
    valkey_url: str, rubbish: bytes
) -> None:
    source = Source(valkey_url)
    source.ask()
    with redis.Redis.from_url(valkey_url) as client:
        (key,) = client.keys()
        client.set(key, rubbish)
    assert source.ask() == 2
    assert source.ask() == 2


def test_a_valkey_that_is_away_is_done_without_for_a_while(
    valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source(valkey_url)
    backend = source.cache._backend
    client, backend._read_client = (
        backend._read_client,
        redis.Redis(port=1, retry=Retry(NoBackoff(), 0)),
    )
    away = looked_up("away")
    assert [source.ask() for _ in range(3)] == [1, 2, 3]
    assert looked_up("away") == away + 3
    backend._read_client = client
    assert source.ask() == 4
    source.now += PAUSE
    assert [source.ask() for _ in range(2)] == [5, 5]
    events = [line["event"] for line in logged(caplog) if "cache" in line["event"]]
    assert events == ["cache_away", "cache_back"]


def test_a_valkey_that_does_not_answer_is_waited_for_once_and_briefly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        source = Source(url, timeout=TIMEOUT)
        started = time.monotonic()
        assert [source.ask() for _ in range(20)] == list(range(1, 21))
        assert time.monotonic() - started < TIMEOUT * 20


def test_threads_of_a_process_may_ask_at_once() -> None:
    """Far more questions than are kept, so that the cache is being tidied all the time."""
    source = Source("")
    failed: list[Exception] = []

    def ask(turn: int) -> None:
        try:
            for n in range(800):
                source.ask(turn, n)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            failed.append(error)

    threads = [threading.Thread(target=ask, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
