"""The last hour is kept by reading little at a time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from detection_api.canary.state.ledger import Tally
from detection_api.canary.state.memory import MemoryStore
from detection_api.canary.state.types import LedgerRow
from detection_api.console.data.history import FRESH, SLICE, WINDOW, History
from tests.canary.stores import batch, heartbeat

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
WHOLE = WINDOW // SLICE
"""Reads after which everything is there."""


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Asked(MemoryStore):
    """A store that remembers how much it was asked for at once."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.clock = clock
        self.spans: list[timedelta] = []

    def ledger(
        self,
        since: datetime | timedelta,
        until: datetime | None = None,
        *arguments: Any,
        **options: Any,
    ) -> list[LedgerRow]:
        start = self.clock() - since if isinstance(since, timedelta) else since
        self.spans.append((until or self.clock()) - start)
        return super().ledger(since, until, *arguments, **options)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Asked:
    """A request each minute of the two hours before NOON."""
    store = Asked(clock)
    for minute in range(120):
        clock.now = NOON - timedelta(minutes=120 - minute)
        store.flush(heartbeat(), minute + 1, batch(requests=1), 0)
    clock.now = NOON
    return store


def requests(rows: list[LedgerRow]) -> int:
    tally = Tally()
    for row in rows:
        tally.add(row.tally)
    return tally.requests


def read(history: History, times: int = WHOLE) -> list[LedgerRow]:
    for _ in range(times - 1):
        history.read()
    return history.read()


def test_it_is_whole_after_a_dozen_reads_the_newest_part_first(store: Asked, clock: Clock) -> None:
    history = History(store, clock)
    assert requests(history.read()) == 5
    found = read(history, WHOLE - 1)
    assert requests(found) == 60
    assert [row.bucket for row in found] == sorted(row.bucket for row in found)


def test_no_read_asks_for_more_than_a_slice_and_most_for_the_newest_buckets(
    store: Asked, clock: Clock
) -> None:
    history = History(store, clock)
    for _ in range(50):
        history.read()
        clock.now += timedelta(seconds=1)
    assert set(store.spans) == {FRESH, SLICE}
    assert store.spans.count(SLICE) == WHOLE + 3


def test_what_is_counted_now_is_seen_at_the_next_read(store: Asked, clock: Clock) -> None:
    history = History(store, clock)
    before = requests(read(history))
    store.flush(heartbeat(), 121, batch(requests=7), 0)
    assert requests(history.read()) == before + 7


def test_what_is_told_late_is_found_within_two_minutes(store: Asked, clock: Clock) -> None:
    history = History(store, clock)
    read(history)
    store.flush(heartbeat("late"), 1, batch(requests=100), 50 * 60)
    assert requests(read(history, 120)) == 160


def test_what_is_older_than_the_window_is_forgotten(store: Asked, clock: Clock) -> None:
    history = History(store, clock)
    read(history)
    clock.now += WINDOW / 2
    assert requests(read(history)) == 30


def test_after_a_pause_nothing_is_missing(store: Asked, clock: Clock) -> None:
    history = History(store, clock)
    history.read()
    clock.now += timedelta(minutes=20)
    store.flush(heartbeat(), 121, batch(requests=9), 15 * 60)
    assert requests(read(history)) == 40 + 9
