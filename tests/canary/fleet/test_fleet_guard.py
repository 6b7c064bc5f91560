"""The leader judges what all workers counted, and loses nothing to a change of leaders."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from detection_api.canary.fleet.fleet_guard import FLEET, PRUNE_EVERY, FleetGuard
from detection_api.canary.guard.guard import Signal, replay
from detection_api.canary.state.histogram import bin_of
from detection_api.canary.state.ledger import LedgerBatch, Tally
from detection_api.canary.state.memory import MemoryStore
from detection_api.canary.state.types import EventKind, RolloutState, Status
from tests.canary.stores import heartbeat

ENDPOINT = "items.item"
RETENTION = timedelta(days=30)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Fleet:
    """A store that workers flush to, and leaders over it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.store = MemoryStore(
            lambda: datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=self.clock.now)
        )
        self.rolled_back: list[tuple[str, Any]] = []
        """Reason and evidence of each rollback."""
        self._numbers = count(1)
        self.put(percent=50)

    def put(self, **changes: Any) -> None:
        state = self.store.read().states.get(ENDPOINT) or RolloutState(endpoint=ENDPOINT)
        self.store.write(replace(state, **changes), EventKind.SET, {})

    def leader(self) -> FleetGuard:
        return FleetGuard(
            self.store,
            roll_back=self._roll_back,
            share=lambda state: state.percent / 100,
            retention=RETENTION,
            clock=self.clock,
        )

    def _roll_back(self, endpoint: str, *, reason: str, by: str, evidence: Any) -> None:
        assert (endpoint, by) == (ENDPOINT, FLEET)
        self.rolled_back.append((reason, evidence))

    def lead(self, leader: FleetGuard) -> None:
        leader.lead(self.store.read())

    def count(self, worker: str, **counts: Any) -> None:
        """One worker's flush of what it judged of the domain."""
        batch = LedgerBatch(0, tallies={(ENDPOINT, "domain"): Tally(**counts)})
        self.store.flush(heartbeat(worker), next(self._numbers), batch, 0.0)

    def events(self) -> list[EventKind]:
        return [event.kind for event in self.store.events() if event.kind is not EventKind.SET]


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def test_failures_too_few_for_any_worker_roll_back_the_fleet(fleet: Fleet) -> None:
    leader = fleet.leader()
    fleet.lead(leader)
    for worker in range(6):
        fleet.count(f"w{worker}", bad=1, first_failed=f"r{worker}", last_failed=f"r{worker}")
        fleet.lead(leader)
    assert fleet.rolled_back == []
    fleet.count("w6", bad=1, first_failed="r6", last_failed="r6")
    fleet.lead(leader)
    ((reason, evidence),) = fleet.rolled_back
    assert reason.startswith("failing: ")
    assert replay(evidence)
    assert evidence["totals"] == {"bad": 7, "good": 0}
    assert evidence["first_request_id"] == "r0"


def test_what_was_judged_is_not_judged_again(fleet: Fleet) -> None:
    leader = fleet.leader()
    fleet.lead(leader)
    fleet.count("w1", bad=4)
    for _ in range(10):
        fleet.lead(leader)
    assert fleet.rolled_back == []
    assert fleet.events() == []


def test_warnings_and_holds_become_events_that_can_be_replayed(fleet: Fleet) -> None:
    leader = fleet.leader()
    fleet.lead(leader)
    fleet.count("w1", bad=5)
    fleet.lead(leader)
    fleet.count("w1", good=10, slow=10)
    fleet.lead(leader)
    warnings = [event for event in fleet.store.events() if event.kind is EventKind.WARN]
    assert [event.evidence["signal"] for event in warnings] == ["slow", "erring"]
    assert all(replay(event.evidence) for event in warnings)
    assert warnings[1].reason == "erring: 5 of the domain's last 5 requests failed"
    assert fleet.rolled_back == []


def test_a_domain_that_is_slower_than_legacy_is_held(fleet: Fleet) -> None:
    """From the histograms in the ledger: legacy's P95 is far below 500 ms, the domain's is not."""
    leader = fleet.leader()
    fleet.lead(leader)
    quick = {bin_of(milliseconds / 1000): 5 for milliseconds in range(4, 44, 4)}
    slow = {bin_of(milliseconds * 3 / 1000): 5 for milliseconds in range(4, 44, 4)}
    for _ in range(200):
        tallies = {
            (ENDPOINT, "legacy"): Tally(good=50, latency=quick),
            (ENDPOINT, "domain"): Tally(good=50, latency=slow),
        }
        fleet.store.flush(
            heartbeat("w1"), next(fleet._numbers), LedgerBatch(0, tallies=tallies), 0.0
        )
        fleet.clock.now += 1
        fleet.lead(leader)
    (event,) = [event for event in fleet.store.events() if event.kind is EventKind.HOLD]
    assert event.evidence["signal"] == "slower"
    assert event.by == "guard"
    assert replay(event.evidence)


def test_a_new_leader_goes_on_where_the_ledger_stands(fleet: Fleet) -> None:
    first, second = fleet.leader(), fleet.leader()
    fleet.lead(first)
    fleet.count("w1", bad=6)
    fleet.lead(first)
    fleet.clock.now += 60
    fleet.lead(second)
    assert fleet.rolled_back == []
    assert fleet.events() == [EventKind.WARN], "the second leader must not tell it again"
    fleet.count("w2", bad=1)
    fleet.lead(second)
    assert [Signal(reason.split(":")[0]) for reason, _ in fleet.rolled_back] == [Signal.FAILING]


def test_a_leader_that_lost_the_lead_starts_from_the_ledger_again(fleet: Fleet) -> None:
    leader = fleet.leader()
    fleet.lead(leader)
    fleet.count("w1", bad=3)
    fleet.lead(leader)
    leader.abdicate()
    fleet.count("w1", bad=4)
    fleet.lead(leader)
    assert [Signal(reason.split(":")[0]) for reason, _ in fleet.rolled_back] == [Signal.FAILING]


def test_what_was_counted_before_a_resume_says_nothing_after_it(fleet: Fleet) -> None:
    leader = fleet.leader()
    fleet.lead(leader)
    fleet.count("w1", bad=7)
    fleet.lead(leader)
    fleet.put(status=Status.ROLLED_BACK)
    fleet.count("w1", bad=6)
    fleet.lead(leader)
    fleet.clock.now += 20
    fleet.put(status=Status.ACTIVE)
    fleet.count("w2", bad=6)
    fleet.lead(leader)
    newcomer = fleet.leader()
    fleet.lead(newcomer)
    assert len(fleet.rolled_back) == 1
    fleet.count("w2", bad=6)
    fleet.lead(leader)
    assert len(fleet.rolled_back) == 1
    fleet.count("w2", bad=1)
    fleet.lead(leader)
    assert len(fleet.rolled_back) == 2


def test_counts_that_workers_kept_through_an_outage_are_judged(fleet: Fleet) -> None:
    leader = fleet.leader()
    fleet.lead(leader)
    fleet.clock.now += 25
    batch = LedgerBatch(0, tallies={(ENDPOINT, "domain"): Tally(bad=7)})
    fleet.store.flush(heartbeat("w1"), 1, batch, 20.0)
    fleet.lead(leader)
    assert [Signal(reason.split(":")[0]) for reason, _ in fleet.rolled_back] == [Signal.FAILING]


def test_the_leader_prunes_the_ledger_once_an_hour(fleet: Fleet) -> None:
    leader = fleet.leader()
    fleet.count("w1", good=1)
    fleet.lead(leader)
    fleet.clock.now = RETENTION.total_seconds() - 100
    fleet.lead(leader)
    assert len(fleet.store.ledger(timedelta(days=99))) == 1
    fleet.clock.now += PRUNE_EVERY - 1
    fleet.lead(leader)
    assert len(fleet.store.ledger(timedelta(days=99))) == 1
    fleet.clock.now += 1
    fleet.lead(leader)
    assert fleet.store.ledger(timedelta(days=99)) == []
