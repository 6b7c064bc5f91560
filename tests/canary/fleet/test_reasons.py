"""Operators read why the guard acted in one sentence."""

from datetime import UTC, datetime

import pytest

from detection_api.canary.fleet.reasons import hold_reason, reason_of, with_pin
from detection_api.canary.guard.alarms import Alarm, Signal
from detection_api.canary.state.types import Mismatch

MOMENT = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("signal", "totals", "sentence"),
    [
        (
            Signal.FAILING,
            {"bad": 7, "good": 3},
            "failing: 7 of the domain's last 10 requests failed",
        ),
        (
            Signal.SLOW,
            {"bad": 10, "good": 0},
            "slow: 10 of the domain's last 10 requests were slow",
        ),
        (
            Signal.WORSE,
            {"domain_bad": 9, "domain_good": 91, "legacy_bad": 1, "legacy_good": 299},
            "worse: 9 of the domain's last 100 requests failed, beside 1 of legacy's 300",
        ),
        (
            Signal.DIFFERING,
            {"bad": 7, "good": 2},
            "differing: 7 of the domain's last 9 compared answers differ from legacy's",
        ),
    ],
    ids=lambda value: value.value if isinstance(value, Signal) else "",
)
def test_an_alarm_is_a_sentence_for_an_operator(
    signal: Signal, totals: dict[str, int], sentence: str
) -> None:
    assert reason_of(Alarm(signal, {"totals": totals})) == sentence


def mismatch(path: str) -> Mismatch:
    return Mismatch(
        endpoint="items.item",
        path=path,
        kind="value",
        count=1,
        accepted=0,
        first_seen=MOMENT,
        last_seen=MOMENT,
        samples=[],
    )


def test_a_hold_names_the_first_path_and_counts_the_others() -> None:
    assert hold_reason([mismatch("$.name")]) == (
        "differing: the domain's answer differs at $.name (value)"
    )
    assert hold_reason([mismatch("$.name"), mismatch("$.id")]).endswith(" and at 1 more")


def test_a_rollback_names_the_variable_that_pins_the_percentage() -> None:
    assert with_pin("failing", None) == "failing"
    assert with_pin("failing", "ROLLOUT_PERCENT") == (
        "failing; ROLLOUT_PERCENT pins its percentage, which does not apply until a resume"
    )
