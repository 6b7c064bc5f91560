"""Where an endpoint ends after a failed stage, or without evidence."""

from typing import Any

import pytest

from detection_api.rollout.controller.destination import (
    percent_after_failure,
    percent_after_patience,
)
from detection_api.rollout.gates import Gate, GateOutcome
from detection_api.rollout.run import OnFailure, Plan
from tests.rollout.support import ENDPOINT


def failed(name: str, **figures: Any) -> Gate:
    return Gate(name=name, outcome=GateOutcome.FAILED, message="", figures=figures)


DIFFERS = failed("verification", a={"differs": True})
SLOW = failed("verification", a={"differs": False})
UNKNOWN = failed("verification", a={})


@pytest.mark.parametrize("on_failure", OnFailure)
@pytest.mark.parametrize("at_start", [0, 20, 50])
@pytest.mark.parametrize("gate", [failed("mismatches"), DIFFERS, UNKNOWN], ids=repr)
def test_wrong_answers_end_at_zero_whatever_was_there_before(
    gate: Gate, at_start: float, on_failure: OnFailure
) -> None:
    plan = Plan(endpoints={ENDPOINT: at_start}, on_failure=on_failure)
    gates = (failed("latency"), gate)
    assert percent_after_failure(plan, ENDPOINT, 3, gates, 50) == 0


@pytest.mark.parametrize("gate", [failed("latency"), failed("guard"), SLOW], ids=repr)
@pytest.mark.parametrize(
    ("at_start", "stage", "percent", "back_to"),
    [(0, 1, 10, 0), (5, 1, 10, 5), (10, 1, 10, 0), (50, 3, 50, 0), (5, 2, 25, 10), (0, 4, 100, 50)],
)
def test_another_failure_ends_at_the_stage_before_and_below_the_percent_that_failed(
    gate: Gate, at_start: float, stage: int, percent: float, back_to: float
) -> None:
    plan = Plan(endpoints={ENDPOINT: at_start})
    assert percent_after_failure(plan, ENDPOINT, stage, (gate,), percent) == back_to


def test_another_failure_ends_at_zero_if_the_plan_says_so() -> None:
    plan = Plan(endpoints={ENDPOINT: 5}, on_failure=OnFailure.ZERO)
    assert percent_after_failure(plan, ENDPOINT, 4, (failed("latency"),), 100) == 0


@pytest.mark.parametrize(
    ("at_start", "stage", "percent", "back_to"),
    [(0, 1, 10, 0), (5, 1, 10, 5), (50, 3, 50, 50), (0, 4, 100, 50), (0, 4, 40, 40)],
)
def test_without_patience_an_endpoint_keeps_the_last_stage_that_it_passed(
    at_start: float, stage: int, percent: float, back_to: float
) -> None:
    plan = Plan(endpoints={ENDPOINT: at_start})
    assert percent_after_patience(plan, ENDPOINT, stage, percent) == back_to
