"""One read serves every console of a worker, and what was read last outlives the store."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg2

from detection_api.console.data.cached import FRESH_FOR, Cached, View


class Reads:
    """Counts; is away while `error` is set."""

    def __init__(self) -> None:
        self.count = 0
        self.now = 0.0
        self.error: Exception | None = None

    def __call__(self) -> int:
        if self.error:
            raise self.error
        self.count += 1
        return self.count

    def clock(self) -> float:
        return self.now


def test_many_consoles_cost_one_read_a_second() -> None:
    reads = Reads()
    cached = Cached(reads, reads.clock)
    assert [cached.view() for _ in range(100)] == [View(1)] * 100
    reads.now += FRESH_FOR
    assert cached.view() == View(2)


def test_a_change_is_read_at_once() -> None:
    reads = Reads()
    cached = Cached(reads, reads.clock)
    cached.view()
    cached.forget()
    assert cached.view() == View(2)


def test_while_the_store_is_away_the_last_view_stays_and_says_so() -> None:
    reads = Reads()
    cached = Cached(reads, reads.clock)
    cached.view()
    reads.now, reads.error = 1.0, psycopg2.OperationalError("gone")
    assert cached.view() == View(1, is_away=True)
    reads.now, reads.error = 2.0, None
    assert cached.view() == View(2)


def test_a_store_that_was_never_there_leaves_nothing_to_show() -> None:
    reads = Reads()
    reads.error = psycopg2.OperationalError("gone")
    assert Cached(reads, reads.clock).view() == View(None, is_away=True)


def test_nobody_waits_for_a_read_but_the_one_who_reads() -> None:
    reads = Reads()
    asked, answered = threading.Event(), threading.Event()

    def slow() -> int:
        if reads.count:
            asked.set()
            assert answered.wait(10)
        return reads()

    cached = Cached(slow, reads.clock)
    cached.view()
    reads.now = 1.0
    with ThreadPoolExecutor() as pool:
        reader = pool.submit(cached.view)
        assert asked.wait(10)
        assert cached.view() == View(1)
        answered.set()
        assert reader.result() == View(2)
