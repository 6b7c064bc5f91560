"""Which answers are compared, and who learns of the outcome."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from marshmallow import Schema, fields

from detection_api.canary.contract.encoder import Contract
from detection_api.canary.contract.rules import rules_of
from detection_api.canary.fleet.applied_states import AppliedStates
from detection_api.canary.fleet.comparisons import Comparisons
from detection_api.canary.serving.decision import Reason
from detection_api.canary.serving.engine import CanaryRequest, Engine, Result, Route
from detection_api.canary.serving.observation import DeadlinePool
from detection_api.canary.serving.settings import CanarySettings
from detection_api.canary.state.ledger import Ledger
from detection_api.canary.state.types import RolloutState, Shared

ENDPOINT = "items.item"


class Item(Schema):
    name = fields.String(required=True)


def route(*, domain: str = "new", legacy: str | None = "old", writes: bool = False) -> Route:
    return Route(
        domain=lambda **_: {"name": domain},
        legacy=None if legacy is None else lambda **_: {"name": legacy},
        contract=Contract(Item),
        rule=rules_of(Item()),
        writes=writes,
    )


class Worker:
    """One worker's comparisons of an endpoint at 100 percent; the test is its thread."""

    def __init__(self, percent: str = "100") -> None:
        overrides = CanarySettings.from_environ({"SHADOW_PERCENT": percent})
        overrides = replace(overrides, settle=0.0)
        self.outcomes: list[tuple[str, str, str]] = []
        states = AppliedStates(stale_after=60, clock=lambda: 0.0)
        self.state = RolloutState(endpoint=ENDPOINT, percent=100)
        states.learn(Shared(states={ENDPOINT: self.state}, accepted=()))
        self._engine = Engine(overrides, (), DeadlinePool(1))
        self.comparisons = Comparisons(
            overrides,
            self._engine,
            states,
            Ledger(lambda: 0.0),
            on_outcome=lambda *outcome: self.outcomes.append(outcome),
            context=nullcontext,
            clock=lambda: 0.0,
        )
        self.comparisons.shadow._start = lambda _: None

    def serve(self, served_by: Route, number: int = 1) -> tuple[CanaryRequest, Result]:
        request = CanaryRequest(subject="1", named=False, forced=None, request_id=f"r-{number}")
        return request, self._engine.serve(served_by, self.state, request, {})

    def is_chosen(self, served_by: Route, number: int = 1, **changes: Any) -> bool:
        request, result = self.serve(served_by, number)
        if changes:
            result = Result(
                decision=result.decision,
                arm=result.arm,
                observations=result.observations,
                **changes,
            )
        return self.comparisons.is_chosen(ENDPOINT, request, served_by, result)

    def compare(self, served_by: Route, number: int = 1) -> None:
        request, result = self.serve(served_by, number)
        self.comparisons.offer(ENDPOINT, request, served_by, result, {})
        while self.comparisons.shadow.work():
            pass


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_answers_are_compared_at_100_percent_as_long_as_there_is_legacy(worker: Worker) -> None:
    assert worker.is_chosen(route())
    assert not worker.is_chosen(route(legacy=None))


@pytest.mark.parametrize("reason", Reason)
def test_only_answers_that_the_rollout_decided_are_compared(worker: Worker, reason: Reason) -> None:
    compared = {"rollout", "holdout", "rolled_back", "stale"}
    assert worker.is_chosen(route(), reason=reason) is (reason.value in compared)


def test_writes_are_never_compared(worker: Worker) -> None:
    assert not worker.is_chosen(route(writes=True))


def test_the_sample_has_the_share_that_is_set() -> None:
    worker = Worker(percent="10")
    chosen = sum(worker.is_chosen(route(), number) for number in range(2000))
    assert 150 < chosen < 250


def test_the_outcome_is_passed_on_with_the_request(worker: Worker) -> None:
    worker.compare(route(domain="same", legacy="same"), 1)
    worker.compare(route(), 2)
    assert worker.outcomes == [(ENDPOINT, "equal", "r-1"), (ENDPOINT, "mismatch", "r-2")]
