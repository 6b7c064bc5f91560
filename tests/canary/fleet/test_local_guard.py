"""One worker counts and judges its requests and comparisons, and rolls back by itself."""

from collections.abc import Mapping
from typing import Any

import pytest

from detection_api.canary.contract.encoder import Answer
from detection_api.canary.fleet.applied_states import AppliedStates
from detection_api.canary.fleet.local_guard import MAX_WAITING, LocalGuard
from detection_api.canary.guard.alarms import Signal
from detection_api.canary.guard.guard import replay
from detection_api.canary.serving.decision import Decision, Reason
from detection_api.canary.serving.engine import CanaryRequest, Result
from detection_api.canary.serving.observation import Observation
from detection_api.canary.state.ledger import Ledger
from detection_api.canary.state.types import Arm

ENDPOINT = "items.item"
REQUEST = CanaryRequest(subject="1", named=False, forced=None, request_id="r-1")
GOOD = Result(
    decision=Decision(Arm.DOMAIN, Reason.ROLLOUT),
    arm=Arm.DOMAIN,
    reason=Reason.ROLLOUT,
    observations=(Observation(arm=Arm.DOMAIN, seconds=0.01, answer=Answer({}, b"{}")),),
)


class Worker:
    """A guard that remembers its rollbacks."""

    def __init__(self) -> None:
        self.ledger = Ledger(lambda: 0.0)
        self.rollbacks: list[tuple[str, Mapping[str, Any]]] = []
        states = AppliedStates(stale_after=60, clock=lambda: 0.0)
        self.guard = LocalGuard(
            states, self.ledger, roll_back=self._roll_back, share=lambda _: 1.0, clock=lambda: 0.0
        )

    def _roll_back(
        self, endpoint: str, *, reason: str, by: str, evidence: Mapping[str, Any]
    ) -> None:
        self.rollbacks.append((reason, evidence))

    def compare(self, *outcomes: str) -> None:
        for number, outcome in enumerate(outcomes):
            self.guard.judge_comparison(ENDPOINT, outcome, f"r-{number}")

    def points(self, signal: Signal) -> float:
        return self.guard.guards[ENDPOINT].points()[signal]


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_seven_wrong_answers_in_a_row_roll_back(worker: Worker) -> None:
    worker.compare(*["mismatch"] * 6)
    assert worker.rollbacks == []
    worker.compare("mismatch")
    ((reason, evidence),) = worker.rollbacks
    assert reason == "differing: 7 of the domain's last 7 compared answers differ from legacy's"
    assert replay(evidence)
    assert evidence["first_request_id"] == "r-0"


@pytest.mark.parametrize(("wrong_per", "rolls_back"), [(20, False), (10, True)])
def test_more_than_one_wrong_answer_in_twenty_rolls_back(
    worker: Worker, wrong_per: int, rolls_back: bool
) -> None:
    worker.compare(*(["equal"] * (wrong_per - 1) + ["mismatch"]) * 200)
    assert bool(worker.rollbacks) is rolls_back


def test_accepted_differences_count_as_equal_answers(worker: Worker) -> None:
    worker.compare("mismatch", *["accepted"] * 9)
    assert worker.points(Signal.DIFFERING) == 19 - 9


@pytest.mark.parametrize("outcome", ["noise", "inconclusive", "failed"])
def test_comparisons_without_a_result_say_nothing(worker: Worker, outcome: str) -> None:
    worker.compare("mismatch", *[outcome] * 100)
    assert worker.points(Signal.DIFFERING) == 19


def test_comparisons_raise_no_other_signal(worker: Worker) -> None:
    worker.compare(*["mismatch"] * 5)
    assert worker.points(Signal.FAILING) == 0


def test_a_resume_drops_the_evidence(worker: Worker) -> None:
    worker.compare(*["mismatch"] * 6)
    worker.guard.forget(ENDPOINT)
    worker.compare("mismatch")
    assert worker.points(Signal.DIFFERING) == 19


def test_ordinary_requests_are_counted_together(worker: Worker) -> None:
    for _ in range(MAX_WAITING - 1):
        worker.guard.account(ENDPOINT, REQUEST, GOOD, 200)
    assert worker.ledger.close().tallies == {}
    worker.guard.account(ENDPOINT, REQUEST, GOOD, 200)
    assert worker.ledger.close().tallies[ENDPOINT, "domain"].good == MAX_WAITING
