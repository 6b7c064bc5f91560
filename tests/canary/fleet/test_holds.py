"""One wrong answer holds the endpoint until a resume, or until the difference is accepted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from detection_api.canary.fleet.fleet_guard import FLEET, FleetGuard
from detection_api.canary.guard.cusum import Cusum
from detection_api.canary.state.ledger import LedgerBatch, MismatchTally, Tally
from detection_api.canary.state.memory import MemoryStore
from detection_api.canary.state.store import StaleEpochError
from detection_api.canary.state.types import (
    AcceptedDifference,
    EventKind,
    RolloutEvent,
    RolloutState,
    Status,
)
from tests.canary.stores import heartbeat

ENDPOINT = "items.item"
START = datetime(2026, 11, 23, tzinfo=UTC)


class Fleet:
    """A store with one endpoint at 20 percent, and leaders over it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.store = MemoryStore(lambda: START + timedelta(seconds=self.now))
        self.rolled_back: list[str] = []
        self._numbers = count(1)
        self.store.write(RolloutState(endpoint=ENDPOINT, percent=20), EventKind.SET, {})
        self.now += 30
        self.leader = self.new_leader()
        self.lead()

    def new_leader(self) -> FleetGuard:
        return FleetGuard(
            self.store,
            roll_back=self._roll_back,
            share=lambda state: state.percent / 100,
            retention=timedelta(days=30),
            clock=lambda: self.now,
        )

    def _roll_back(self, endpoint: str, *, reason: str, by: str, evidence: Any) -> None:
        self.rolled_back.append(reason)

    def lead(self) -> None:
        self.now += 1
        self.leader.lead(self.store.read())

    def compare(
        self, path: str = "", *, equal: int = 0, wrong: int = 1, arm: str = "domain"
    ) -> None:
        """Flush so many equal and wrong comparisons; the wrong ones differ at `path`."""
        wrong = wrong if path else 0
        batch = LedgerBatch(0)
        batch.tallies[ENDPOINT, arm] = Tally(compared=equal + wrong, mismatched=wrong)
        if wrong:
            sample = {"request_id": "r-1", "at": path}
            batch.mismatches[ENDPOINT, path, "value"] = MismatchTally(wrong, samples=[sample])
        self.store.flush(heartbeat("w1"), next(self._numbers), batch, 0.0)

    def change(self, status: Status, kind: EventKind) -> None:
        state = replace(self.state, status=status, by="operator", reason="checked")
        self.store.write(state, kind, {})

    def accept(self, path: str) -> None:
        self.store.accept(
            AcceptedDifference(
                endpoint=ENDPOINT,
                path=path,
                kind="*",
                reason="known",
                by="operator",
                expires_at=START + timedelta(days=1),
            )
        )

    @property
    def state(self) -> RolloutState:
        return self.store.read().states[ENDPOINT]

    def status(self) -> Status:
        return self.state.status

    @property
    def holds(self) -> list[RolloutEvent]:
        return [event for event in self.store.events() if event.kind is EventKind.HOLD]


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.mark.parametrize("arm", ["domain", "legacy"])
def test_one_mismatch_holds_at_once_whichever_arm_answered(fleet: Fleet, arm: str) -> None:
    fleet.compare("$.name", arm=arm)
    fleet.lead()
    assert (fleet.state.status, fleet.state.percent) == (Status.HELD, 20)
    (event,) = fleet.holds
    assert event.by == FLEET
    assert event.reason == "differing: the domain's answer differs at $.name (value)"
    assert event.evidence["signal"] == "differing"
    (shown,) = event.evidence["mismatches"]
    assert shown["samples"] == [{"request_id": "r-1", "at": "$.name"}]
    assert fleet.rolled_back == []


def test_comparisons_that_are_equal_hold_nothing(fleet: Fleet) -> None:
    fleet.compare(equal=100)
    fleet.lead()
    assert fleet.status() is Status.ACTIVE


def test_a_held_endpoint_gets_no_second_event(fleet: Fleet) -> None:
    for _ in range(3):
        fleet.compare("$.name")
        fleet.lead()
    assert len(fleet.holds) == 1


def test_the_seventh_mismatch_in_a_row_rolls_back(fleet: Fleet) -> None:
    for _ in range(6):
        fleet.compare("$.name")
        fleet.lead()
    assert fleet.rolled_back == []
    fleet.compare("$.name", arm="legacy")
    fleet.lead()
    assert fleet.rolled_back == [
        "differing: 7 of the domain's last 7 compared answers differ from legacy's"
    ]


def test_a_mismatch_after_a_resume_holds_again(fleet: Fleet) -> None:
    fleet.compare("$.name")
    fleet.lead()
    fleet.change(Status.ACTIVE, EventKind.RESUME)
    fleet.lead()
    assert fleet.status() is Status.ACTIVE
    fleet.compare("$.name")
    fleet.lead()
    assert fleet.status() is Status.HELD
    assert len(fleet.holds) == 2


def test_a_rolled_back_endpoint_is_not_held(fleet: Fleet) -> None:
    fleet.change(Status.ROLLED_BACK, EventKind.ROLLBACK)
    fleet.compare("$.name")
    fleet.lead()
    assert fleet.status() is Status.ROLLED_BACK


def test_a_difference_that_is_accepted_releases_the_hold(fleet: Fleet) -> None:
    fleet.compare("$.name")
    fleet.compare("$.id")
    fleet.lead()
    fleet.accept("$.name")
    fleet.lead()
    assert fleet.status() is Status.HELD, "$.id is not accepted"
    fleet.accept("$.id")
    fleet.lead()
    assert fleet.status() is Status.ACTIVE
    newest = fleet.store.events()[0]
    assert (newest.kind, newest.reason) == (EventKind.RESUME, "every difference is accepted")


def test_an_operators_hold_is_not_released(fleet: Fleet) -> None:
    fleet.compare("$.name")
    fleet.change(Status.HELD, EventKind.HOLD)
    fleet.accept("$.name")
    fleet.lead()
    fleet.lead()
    assert fleet.status() is Status.HELD


def test_a_new_leader_makes_up_for_a_hold_that_its_predecessor_lost(fleet: Fleet) -> None:
    fleet.now += 60
    fleet.compare("$.name")
    fleet.leader = fleet.new_leader()
    fleet.lead()
    assert fleet.status() is Status.HELD


def test_a_new_leader_does_not_repeat_a_hold_that_an_operator_ended(fleet: Fleet) -> None:
    fleet.now += 60
    fleet.compare("$.name")
    fleet.lead()
    fleet.change(Status.ACTIVE, EventKind.RESUME)
    fleet.leader = fleet.new_leader()
    fleet.lead()
    assert fleet.status() is Status.ACTIVE


def test_a_hold_is_written_later_if_the_state_was_just_changed(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StaleEpochError(ENDPOINT)

    fleet.compare("$.name")
    with monkeypatch.context() as patch:
        patch.setattr(fleet.store, "write", refuse)
        fleet.lead()
    assert fleet.status() is Status.ACTIVE
    fleet.lead()
    assert fleet.status() is Status.HELD


def test_the_signal_has_the_points_of_its_cumulative_sum(fleet: Fleet) -> None:
    test = Cusum(up=19, k=7)
    for wrong, equal in ((1, 0), (0, 5), (1, 0), (0, 100)):
        fleet.compare("$.name", wrong=wrong, equal=equal) if wrong else fleet.compare(equal=equal)
        fleet.lead()
        test.add(wrong, equal)
        points = {s.value: p for s, p in fleet.leader.guards[ENDPOINT].points().items()}
        assert points["differing"] == test.points
