"""Everything that is counted reaches the store exactly once, whatever happens on the way."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detection_api.canary.state.ledger import (
    BUCKET_SECONDS,
    COUNTS,
    MAX_SAMPLES,
    MAX_WAITING,
    Ledger,
    LedgerBatch,
    MismatchTally,
    Tally,
)
from detection_api.canary.state.store import Store
from tests.canary.stores import ALL, heartbeat, summed

RUNS = count()


@dataclass
class Clock:
    """Monotonic time that passes when it is told to."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Worker:
    """A worker whose store may be away, or take a batch without saying so."""

    store: Store
    name: str
    clock: Clock = field(default_factory=Clock)
    numbers: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.clock)
        self.counted = LedgerBatch(0)

    def count(self, what: str, arm: str, size: int) -> None:
        with self.ledger as batch:
            for each in (batch, self.counted):
                self._count(each, what, arm, size)

    def _count(self, batch: LedgerBatch, what: str, arm: str, size: int) -> None:
        key = (self.name, f"$.{arm}", "value")
        if what == "branch":
            batch.branches[self.name, arm] = batch.branches.get((self.name, arm), 0) + size
        elif what == "mismatch":
            batch.mismatches.setdefault(key, MismatchTally()).add(MismatchTally(size, 1))
        elif what == "latency":
            batch.tally(self.name, arm).add(Tally(latency={size: 1}))
        else:
            tally = batch.tally(self.name, arm)
            setattr(tally, what, getattr(tally, what) + size)

    def flush(self, *, arrives: bool, answered: bool) -> None:
        self.ledger.close()
        self.send(arrives=arrives, answered=answered)

    def send(self, *, arrives: bool, answered: bool) -> None:
        number, batch = self.oldest()
        if arrives:
            age = self.clock.now - batch.since
            self.store.flush(heartbeat(self.name), number, batch, age)
        if answered:
            self.numbers.append(number)
            self.ledger.sent()

    def flush_everything(self) -> None:
        self.ledger.close()
        while self.ledger.oldest() is not None:
            self.send(arrives=True, answered=True)

    def oldest(self) -> tuple[int, LedgerBatch]:
        found = self.ledger.oldest()
        assert found is not None
        return found


COUNTING = st.tuples(
    st.sampled_from(["requests", "bad", "dropped", "latency", "mismatch", "branch"]),
    st.sampled_from(["domain", "legacy"]),
    st.integers(1, 9),
)
FLUSH = st.sampled_from([(True, True), (False, False), (True, False)])
PASSING = st.sampled_from([1.0, BUCKET_SECONDS, 300.0])


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(COUNTING, FLUSH, PASSING), max_size=40))
def test_whatever_fails_on_the_way_the_store_ends_with_what_was_counted(
    store: Store, steps: list[tuple[str, str, int] | tuple[bool, bool] | float]
) -> None:
    """Flushes succeed, fail before the store has the batch, or after it without an answer."""
    worker = Worker(store, f"run{next(RUNS)}")
    for step in steps:
        match step:
            case (str(what), arm, size):
                worker.count(what, arm, size)
            case (arrives, answered):
                worker.flush(arrives=arrives, answered=answered)
            case seconds:
                worker.clock.now += seconds
    worker.flush_everything()
    own = {key: tally for key, tally in summed(store.ledger(ALL)).items() if key[0] == worker.name}
    assert own == worker.counted.tallies == worker.ledger.totals
    assert {
        (m.endpoint, m.path, m.kind): (m.count, m.accepted) for m in store.mismatches(worker.name)
    } == {key: (tally.count, tally.accepted) for key, tally in worker.counted.mismatches.items()}
    assert worker.counted.branches.items() <= store.branches().items()
    assert worker.numbers == list(range(1, len(worker.numbers) + 1))


@pytest.fixture
def worker(store: Store) -> Worker:
    return Worker(store, "w1")


def attempt(worker: Worker, seconds: Iterable[float]) -> None:
    """Count one request every so many seconds, and flush in vain."""
    for each in seconds:
        worker.count("requests", "domain", 1)
        worker.clock.now += each
        worker.flush(arrives=False, answered=False)


def test_an_outage_of_hours_is_kept_in_bounded_memory_and_loses_nothing(worker: Worker) -> None:
    worker.count("requests", "domain", 1)
    worker.flush(arrives=True, answered=False)
    _, arrived = worker.oldest()
    attempt(worker, [BUCKET_SECONDS] * 3 * MAX_WAITING)
    number, oldest = worker.oldest()
    assert (number, oldest) == (1, arrived)
    worker.flush_everything()
    assert len(worker.numbers) <= MAX_WAITING + 1
    assert summed(worker.store.ledger(ALL)) == {
        ("w1", "domain"): Tally(requests=3 * MAX_WAITING + 1)
    }


def test_counts_that_wait_for_the_store_keep_their_time(worker: Worker) -> None:
    """They are kept apart by the ledger's resolution, and no finer: once a second is enough."""
    attempt(worker, [1.0] * 60)
    worker.flush_everything()
    assert len(worker.numbers) == 60 / BUCKET_SECONDS + 1
    rows = worker.store.ledger(ALL)
    assert all(row.tally.requests <= BUCKET_SECONDS * 2 for row in rows)
    assert (rows[-1].bucket - rows[0].bucket).total_seconds() >= 50


def test_a_batch_and_its_number_stay_the_same_until_it_was_sent(worker: Worker) -> None:
    worker.count("requests", "domain", 1)
    closed = worker.ledger.close()
    worker.count("requests", "domain", 1)
    worker.ledger.close()
    assert worker.oldest() == (1, closed)
    assert closed.tallies == {("w1", "domain"): Tally(requests=1)}
    worker.ledger.sent()
    assert worker.oldest()[0] == 2


def test_nothing_is_sent_before_it_is_closed(worker: Worker) -> None:
    worker.count("requests", "domain", 1)
    assert worker.ledger.oldest() is None


def test_requests_in_many_threads_are_all_counted() -> None:
    ledger = Ledger()
    together = threading.Barrier(8)

    def request() -> None:
        together.wait()
        for _ in range(2000):
            with ledger as batch:
                batch.tally("e", "domain").requests += 1

    threads = [threading.Thread(target=request) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        ledger.close()
        ledger.sent()
    ledger.close()
    assert ledger.totals == {("e", "domain"): Tally(requests=16_000)}


def test_a_failure_while_counting_does_not_block_the_next_request() -> None:
    ledger = Ledger()
    with pytest.raises(ZeroDivisionError), ledger as batch:
        batch.branches["e", "b"] = 1 // 0
    with ledger as batch:
        batch.branches["e", "b"] = 1
    assert ledger.close().branches == {("e", "b"): 1}


def counting(count: int, **others: Any) -> Tally:
    """Return a tally in which every plain count is `count`."""
    counts: dict[str, Any] = dict.fromkeys(COUNTS, count)
    return Tally(**counts, **others)


def test_tallies_add_up_whatever_they_count() -> None:
    tally = counting(1, latency={1: 1}, first_failed="r1", last_failed="r2")
    tally.add(counting(2, latency={1: 1, 2: 3}, last_failed="r3"))
    assert tally == counting(3, latency={1: 2, 2: 3}, first_failed="r1", last_failed="r3")


def test_the_first_samples_of_a_mismatch_are_kept() -> None:
    tally = MismatchTally(1, 0, [{"n": 0}])
    tally.add(MismatchTally(9, 0, [{"n": n} for n in range(1, 9)]))
    assert (tally.count, tally.samples) == (10, [{"n": n} for n in range(MAX_SAMPLES)])
