"""A domain that turns wrong at 100 percent, after its run, is rolled back within a minute.

Four workers, five requests a second, SHADOW_PERCENT=10. Time is simulated; the comparisons run
where their thread would.
"""

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from marshmallow import Schema, fields

from detection_api.canary.contract.encoder import Contract
from detection_api.canary.contract.rules import rules_of
from detection_api.canary.fleet.background import INTERVAL
from detection_api.canary.fleet.runtime import HostApplication, Runtime
from detection_api.canary.serving.engine import CanaryRequest, Route
from detection_api.canary.serving.settings import CanarySettings
from detection_api.canary.state.memory import MemoryStore
from detection_api.canary.state.types import EventKind, RolloutState, Status

ENDPOINT = "items.item"
WORKERS = 4
RATE = 5
SEEDS = 10
QUIET = 300
"""Seconds of a right domain, after which the comparisons are throttled."""


class Item(Schema):
    name = fields.String(required=True)


class Seat:
    """The store as one worker has it; the first worker leads."""

    def __init__(self, store: MemoryStore, number: int) -> None:
        self._store = store
        self.lead = lambda: number == 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Fleet:
    """Workers that serve an endpoint at 100 percent."""

    def __init__(
        self, seed: int, *, percent: float = 100, environ: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._random = random.Random(seed)
        self.now = 0.0
        self.store = MemoryStore(lambda: datetime(2026, 11, 23, tzinfo=UTC) + self._elapsed())
        self.store.write(RolloutState(endpoint=ENDPOINT, percent=percent), EventKind.SET, {})
        self.answer = "right"
        self._asked = 0
        self.wrong = 0
        """Wrong answers that clients got."""
        self.route = Route(
            domain=lambda **_: {"name": self.answer},
            legacy=lambda **_: {"name": "right"},
            contract=Contract(Item),
            rule=rules_of(Item()),
        )
        settings = CanarySettings.from_environ({"SHADOW_PERCENT": "10", **environ})
        self.workers = [self._worker(settings, number) for number in range(WORKERS)]

    def _elapsed(self) -> timedelta:
        return timedelta(seconds=self.now)

    def _worker(self, settings: CanarySettings, number: int) -> Runtime:
        runtime = Runtime(
            settings,
            Seat(self.store, number),
            HostApplication(endpoints=(ENDPOINT,)),
            is_alone=True,
            clock=lambda: self.now,
        )
        runtime.comparisons.shadow._start = lambda _: None
        return runtime

    def serve(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Serve for so long, or until something is so."""
        end = self.now + seconds
        while self.now < end and not until():
            self.now += 1 / RATE
            self._ask()
            is_turn = self._asked % round(RATE * INTERVAL * 2) == 0
            for worker in self.workers:
                worker.link.step() if is_turn else worker.link.poll()
                while worker.comparisons.shadow.work():
                    pass

    def _ask(self) -> None:
        self._asked += 1
        worker = self._random.choice(self.workers)
        request_id = f"{self._random.random()}"
        request = CanaryRequest(subject=request_id, named=False, forced=None, request_id=request_id)
        result = worker.serve(self.route, ENDPOINT, request, {})
        worker.account(ENDPOINT, request, result, 200)
        if worker.comparisons.is_chosen(ENDPOINT, request, self.route, result):
            worker.comparisons.offer(ENDPOINT, request, self.route, result, {})
        self.wrong += result.result.answer.value != {"name": "right"}  # type: ignore[union-attr]

    def status(self) -> Status:
        return self.store.read().states[ENDPOINT].status

    def is_rolled_back(self) -> bool:
        states = [worker.states.state(ENDPOINT).status for worker in self.workers]
        return all(status is Status.ROLLED_BACK for status in states)

    def compared(self) -> int:
        return sum(r.tally.compared for r in self.store.ledger(timedelta(days=1)))


@pytest.mark.parametrize("pin", [{}, {"ROLLOUT_PERCENT": "100"}], ids=["stored", "pinned"])
def test_a_domain_that_turns_wrong_at_100_percent_is_rolled_back_within_60_seconds(
    pin: dict[str, str],
) -> None:
    for seed in range(SEEDS):
        fleet = Fleet(seed, environ=pin)
        fleet.serve(QUIET)
        assert fleet.status() is Status.ACTIVE
        fleet.answer, turned_at, compared = "wrong", fleet.now, fleet.compared()
        fleet.serve(60, until=fleet.is_rolled_back)
        assert fleet.is_rolled_back(), f"not within {fleet.now - turned_at} s"
        fleet.serve(2)
        assert fleet.compared() - compared <= 7 + 5, "7 answers, and those of the last second"
        wrong = fleet.wrong
        fleet.serve(10)
        assert fleet.wrong == wrong, "clients get no wrong answer after the rollback"


def test_a_domain_that_is_wrong_at_0_percent_is_rolled_back_before_anybody_raises_it() -> None:
    fleet = Fleet(seed=0, percent=0)
    fleet.answer = "wrong"
    fleet.serve(60, until=fleet.is_rolled_back)
    assert fleet.is_rolled_back()
    assert fleet.wrong == 0


def test_one_wrong_answer_is_a_hold_and_clients_keep_the_domain() -> None:
    fleet = Fleet(seed=0)
    fleet.answer = "wrong"
    fleet.serve(60, until=lambda: fleet.compared() > 0)
    fleet.answer = "right"
    fleet.serve(60)
    assert fleet.status() is Status.HELD
    assert fleet.store.read().states[ENDPOINT].percent == 100
    kinds = [event.kind for event in fleet.store.events()]
    assert kinds.count(EventKind.HOLD) == 1


def test_after_a_resume_it_takes_seven_wrong_answers_again() -> None:
    fleet = Fleet(seed=0)
    fleet.answer = "wrong"
    fleet.serve(60, until=fleet.is_rolled_back)
    state = fleet.store.read().states[ENDPOINT]
    fleet.answer = "right"
    fleet.store.write(
        RolloutState(endpoint=ENDPOINT, percent=100, epoch=state.epoch), EventKind.RESUME, {}
    )
    fleet.serve(60)
    assert fleet.status() is Status.ACTIVE
    points = [g.points() for w in fleet.workers for g in w._local_guard.guards.values()]
    assert {value for each in points for signal, value in each.items()} == {0}
