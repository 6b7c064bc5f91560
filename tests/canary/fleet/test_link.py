"""A worker follows the fleet within a turn, may only lower exposure, and loses no count."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from detection_api.canary.fleet.applied_states import AppliedStates
from detection_api.canary.fleet.link import FleetLink, Hooks
from detection_api.canary.state.ledger import Ledger, LedgerBatch, Tally
from detection_api.canary.state.memory import MemoryStore
from detection_api.canary.state.types import (
    DEFAULT,
    EventKind,
    Heartbeat,
    RolloutState,
    Shared,
    Status,
)
from tests.canary.stores import ALL, summed

ENDPOINT = "items.item"
STALE_AFTER = 60.0


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class AwayError(ConnectionError):
    """The store does not answer."""


class Store(MemoryStore):
    """A store that can be away, lose a batch on its way, and take one without saying so."""

    away = False
    flushes_lost = 0
    silent_about_flushes = False

    def read(self) -> Shared:
        self._answer()
        return super().read()

    def write(
        self, state: RolloutState, kind: EventKind, evidence: Mapping[str, Any], run: int = 0
    ) -> RolloutState:
        self._answer()
        return super().write(state, kind, evidence, run)

    def flush(self, heartbeat: Heartbeat, number: int, batch: LedgerBatch, age: float) -> None:
        self._answer()
        if self.flushes_lost:
            self.flushes_lost -= 1
            raise AwayError
        super().flush(heartbeat, number, batch, age)
        if self.silent_about_flushes:
            raise AwayError

    def _answer(self) -> None:
        if self.away:
            raise AwayError


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:
    return Store()


def worker(store: Store, clock: Clock, **options: Any) -> FleetLink:
    states = AppliedStates(stale_after=STALE_AFTER, clock=clock)
    return FleetLink(store, states, Ledger(clock), hooks=Hooks(**options), clock=clock)


def put(store: Store, endpoint: str = ENDPOINT, **changes: Any) -> RolloutState:
    """What an operator or the controller does."""
    state = store.read().states.get(endpoint) or RolloutState(endpoint=endpoint)
    return store.write(replace(state, **changes), EventKind.SET, {})


def applied(sync: FleetLink, endpoint: str = ENDPOINT) -> tuple[float, Status]:
    state = sync.states.state(endpoint)
    return state.percent, state.status


def roll_back(sync: FleetLink) -> None:
    sync.states.roll_back(ENDPOINT, reason="failing", by="guard", evidence={"points": 133})


def test_a_worker_that_never_heard_from_the_store_knows_nothing(store: Store, clock: Clock) -> None:
    put(store, percent=100)
    assert worker(store, clock).states.state(ENDPOINT).status is Status.UNKNOWN


def test_a_change_is_applied_at_the_next_turn(store: Store, clock: Clock) -> None:
    sync = worker(store, clock)
    put(store, percent=25)
    sync.poll()
    assert applied(sync) == (25, Status.ACTIVE)
    put(store, percent=50)
    sync.poll()
    assert applied(sync) == (50, Status.ACTIVE)
    put(store, percent=50, status=Status.ROLLED_BACK)
    sync.poll()
    assert applied(sync) == (50, Status.ROLLED_BACK)


def test_an_endpoint_without_a_state_of_its_own_follows_the_default(
    store: Store, clock: Clock
) -> None:
    sync = worker(store, clock)
    put(store, DEFAULT, percent=10)
    sync.poll()
    assert applied(sync) == (10, Status.ACTIVE)
    put(store, percent=25)
    put(store, DEFAULT, status=Status.ROLLED_BACK, reason="night")
    sync.poll()
    assert applied(sync) == (25, Status.ROLLED_BACK)
    assert applied(sync, "items.other") == (10, Status.ROLLED_BACK)
    assert sync.states.state("items.other").reason == "night"


def test_while_the_store_is_away_the_last_known_state_applies_and_then_nothing_does(
    store: Store, clock: Clock
) -> None:
    sync = worker(store, clock)
    put(store, percent=25)
    sync.poll()
    put(store, percent=100)
    store.away = True
    clock.now += STALE_AFTER
    assert not sync.poll()
    assert applied(sync) == (25, Status.ACTIVE)
    assert sync.states.age == STALE_AFTER
    clock.now += 0.001
    assert applied(sync) == (25, Status.UNKNOWN)
    store.away = False
    sync.poll()
    assert applied(sync) == (100, Status.ACTIVE)


def test_a_rollback_applies_at_once_and_reaches_the_fleet_with_its_evidence(
    store: Store, clock: Clock
) -> None:
    sync, other = worker(store, clock), worker(store, clock)
    put(store, percent=25)
    sync.poll()
    other.poll()
    roll_back(sync)
    assert applied(sync) == (25, Status.ROLLED_BACK)
    sync.poll()
    other.poll()
    assert applied(other) == (25, Status.ROLLED_BACK)
    (event, *_) = store.events()
    assert (event.kind, event.endpoint, event.by, event.reason, event.evidence) == (
        EventKind.ROLLBACK,
        ENDPOINT,
        "guard",
        "failing",
        {"points": 133},
    )


def test_a_rollback_of_an_endpoint_that_nobody_wrote_keeps_the_defaults_percent(
    store: Store, clock: Clock
) -> None:
    sync = worker(store, clock)
    put(store, DEFAULT, percent=10)
    sync.poll()
    roll_back(sync)
    sync.poll()
    stored = store.read().states[ENDPOINT]
    assert (stored.percent, stored.status) == (10, Status.ROLLED_BACK)


def test_the_same_rollback_by_many_workers_is_one_event(store: Store, clock: Clock) -> None:
    put(store, percent=25)
    workers = [worker(store, clock) for _ in range(4)]
    for sync in workers:
        sync.poll()
        roll_back(sync)
        roll_back(sync)
    for sync in [*workers, *workers]:
        sync.poll()
    assert [event.kind for event in store.events()].count(EventKind.ROLLBACK) == 1


def test_a_rollback_made_while_the_store_is_away_is_written_when_it_is_back(
    store: Store, clock: Clock
) -> None:
    sync = worker(store, clock)
    put(store, percent=25)
    sync.poll()
    store.away = True
    roll_back(sync)
    assert not sync.poll()
    assert applied(sync) == (25, Status.ROLLED_BACK)
    store.away = False
    put(store, percent=50)
    sync.poll()
    assert store.read().states[ENDPOINT].status is Status.ROLLED_BACK
    sync.poll()
    assert applied(sync) == (50, Status.ROLLED_BACK)


def test_a_rollback_that_meets_a_change_waits_a_turn(store: Store, clock: Clock) -> None:
    class Busy(Store):
        def read(self) -> Shared:
            shared = super().read()
            if not self.changed:
                self.changed = True
                put(self, percent=75)
            return shared

        changed = True

    busy = Busy()
    sync = worker(busy, clock)
    put(busy, percent=25)
    sync.poll()
    roll_back(sync)
    busy.changed = False
    sync.poll()
    assert busy.read().states[ENDPOINT].status is Status.ACTIVE
    assert applied(sync) == (25, Status.ROLLED_BACK)
    sync.poll()
    assert busy.read().states[ENDPOINT].status is Status.ROLLED_BACK


def test_a_resume_frees_every_worker_and_begins_their_guards_anew(
    store: Store, clock: Clock
) -> None:
    resumed: list[str] = []
    sync = worker(store, clock, on_resume=resumed.append)
    put(store, percent=25)
    sync.poll()
    roll_back(sync)
    sync.poll()
    sync.poll()
    assert resumed == []
    put(store, status=Status.ACTIVE)
    sync.poll()
    assert applied(sync) == (25, Status.ACTIVE)
    assert resumed == [ENDPOINT]


def test_evidence_from_before_a_resume_rolls_nothing_back(store: Store, clock: Clock) -> None:
    """A worker that lost the store rolls back; others did too, and an operator has resumed."""
    sync = worker(store, clock)
    put(store, percent=25)
    sync.poll()
    store.away = True
    roll_back(sync)
    sync.poll()
    store.away = False
    put(store, status=Status.ROLLED_BACK)
    put(store, status=Status.ACTIVE)
    sync.poll()
    assert applied(sync) == (25, Status.ACTIVE)
    assert store.read().states[ENDPOINT].status is Status.ACTIVE


def counting(sync: FleetLink, requests: int) -> None:
    with sync.ledger as batch:
        batch.tally(ENDPOINT, "domain").requests += requests


def requests(store: Store) -> int:
    return summed(store.ledger(ALL)).get((ENDPOINT, "domain"), Tally()).requests


def test_counts_are_flushed_with_the_epochs_that_the_worker_applies(
    store: Store, clock: Clock
) -> None:
    sync = worker(store, clock, vitals=lambda: {"memory_bytes": 5.0})
    put(store, percent=25)
    put(store, DEFAULT, percent=5)
    put(store, DEFAULT, percent=10)
    counting(sync, 3)
    sync.step()
    assert sync.states.state(ENDPOINT).epoch == 1
    clock.now += 7
    sync.step()
    (known,) = store.workers()
    assert requests(store) == 3
    assert known.heartbeat.worker == sync.states.worker
    assert known.heartbeat.epochs == {ENDPOINT: 1, DEFAULT: 2}
    assert known.heartbeat.uptime == 7
    assert known.heartbeat.vitals == {"memory_bytes": 5.0}
    assert known.heartbeat.totals == {(ENDPOINT, "domain"): Tally(requests=3)}


def test_counts_outlive_an_outage_and_flushes_that_arrived_unnoticed(
    store: Store, clock: Clock
) -> None:
    sync = worker(store, clock)
    counting(sync, 1)
    store.silent_about_flushes = True
    sync.step()
    store.away = True
    for _ in range(100):
        counting(sync, 1)
        clock.now += 1
        sync.step()
    store.away = store.silent_about_flushes = False
    counting(sync, 1)
    sync.step()
    assert requests(store) == 102


def test_every_count_is_shown_once_whether_or_not_the_store_is_there(
    store: Store, clock: Clock
) -> None:
    shown: list[int] = []
    sync = worker(
        store,
        clock,
        close=lambda ledger: shown.append(ledger.close().tally(ENDPOINT, "domain").requests),
    )
    for requests_made, away in ((1, False), (2, True), (3, True), (4, False)):
        store.away = away
        counting(sync, requests_made)
        sync.step()
    assert shown == [1, 2, 3, 4]


def test_a_failure_is_counted_each_time_and_logged_once(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    faults: list[str] = []
    sync = worker(store, clock, on_fault=faults.append)
    store.away = True
    for _ in range(3):
        sync.poll()
    assert faults == ["read_store"] * 3
    assert caplog.text.count("canary_sync_failed") == 1
    store.away = False
    sync.poll()
    assert caplog.text.count("canary_sync_recovered") == 1


def test_the_background_thread_flushes_what_is_left_when_it_is_stopped(store: Store) -> None:
    sync = FleetLink(store, AppliedStates(stale_after=STALE_AFTER), Ledger())
    put(store, percent=25)
    sync.background.start()
    sync.background.start()
    assert sync.states.wait_until_heard(30)
    assert applied(sync) == (25, Status.ACTIVE)
    counting(sync, 5)
    sync.background.stop()
    sync.background.stop()
    assert requests(store) == 5
    counting(sync, 2)
    sync.background.start()
    sync.background.stop()
    assert requests(store) == 7


def test_a_worker_that_stops_tries_once_more_where_its_connection_was_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = FleetLink(store, AppliedStates(stale_after=STALE_AFTER), Ledger())
    monkeypatch.setattr(sync.background, "_run", lambda: None)  # only the end tells
    sync.background.start()
    counting(sync, 3)
    store.flushes_lost = 1
    sync.background.stop()
    assert requests(store) == 3


FORK = """
import os, sys
from detection_api.canary.state.memory import MemoryStore
from detection_api.canary.fleet.applied_states import AppliedStates
from detection_api.canary.fleet.link import FleetLink
from detection_api.canary.state.ledger import Ledger

sync = FleetLink(MemoryStore(), AppliedStates(stale_after=60), Ledger())
sync.background.start()
assert sync.states.wait_until_heard(30)
with sync.ledger as batch:
    batch.tally("e", "domain").requests += 1
parent = sync.states.worker
child = os.fork()
if child == 0:
    assert sync.states.worker != parent
    assert not sync.states.wait_until_heard(0)
    with sync.ledger as batch:
        assert not batch.tallies
    sync.background.start()
    assert sync.states.wait_until_heard(30)
    sync.background.stop()
    os._exit(0)
_, status = os.waitpid(child, 0)
assert status == 0
sync.background.stop()
assert sync.ledger.totals["e", "domain"].requests == 1
print("parent and child are workers of their own")
"""


def test_a_forked_worker_shares_neither_thread_nor_counts_with_its_parent() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    assert "workers of their own" in done.stdout
