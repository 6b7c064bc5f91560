"""The Chinese console has no English reasons but those that operators wrote."""

import re
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from detection_api.canary.guard import VERDICTS
from detection_api.canary.state import EventKind, RolloutEvent
from detection_api.console import reasons
from detection_api.rollout.run import Completion, EndCause

GATES = (
    "bake",
    "workers",
    "traffic",
    "guard",
    "latency",
    "mismatches",
    "comparisons",
    "coverage",
    "verification",
)


def event(kind: EventKind, reason: str = "English", **evidence: Any) -> RolloutEvent:
    return RolloutEvent(endpoint="e", kind=kind, by="run", reason=reason, evidence=evidence)


MADE = {
    **{
        f"guard: {signal.value}": event(
            EventKind.ROLLBACK, signal=signal.value, totals={"bad": 7, "good": 3}
        )
        for signal in VERDICTS
    },
    "stage": event(EventKind.STAGE, stage=2, percent=10),
    "pass": event(EventKind.PASS, stage=2, percent=10),
    **{
        f"failed by {gate}": event(
            EventKind.FAIL, stage=2, gates=[{"name": gate, "outcome": "failed"}]
        )
        for gate in GATES
    },
    **{
        f"left: {cause.value}": event(EventKind.LEAVE, percent=10.0, cause=cause.value)
        for cause in EndCause
    },
    **{
        f"end: {completion.value}": event(
            EventKind.END, completion.value, completion=completion.value
        )
        for completion in Completion
    },
}


def text(app: Flask, found: RolloutEvent, language: str) -> str:
    with app.test_request_context(f"/console/?lang={language}"):
        return reasons.reason_of(found)


@pytest.mark.parametrize("made", MADE.values(), ids=MADE.keys())
def test_a_reason_that_the_system_made_is_chinese_in_the_chinese_console(
    app: Flask, made: RolloutEvent
) -> None:
    assert not re.search("[A-Za-z]", text(app, made, "zh"))
    assert text(app, made, "en") == made.reason


def test_an_alarm_that_compares_with_legacy_gives_the_counts_of_both(app: Flask) -> None:
    totals = {"domain_bad": 7, "domain_good": 3, "legacy_bad": 1, "legacy_good": 19}
    alarm = event(EventKind.HOLD, signal="worse", totals=totals)
    assert re.findall(r"\d+", text(app, alarm, "zh")) == ["10", "7", "20", "1"]


@pytest.mark.parametrize("kind", [EventKind.ROLLBACK, EventKind.SET, EventKind.END, EventKind.FAIL])
def test_what_an_operator_wrote_stays_as_it_is(app: Flask, kind: EventKind) -> None:
    assert text(app, event(kind, "night shift"), "zh") == "night shift"
    ended = event(EventKind.END, "enough", completion=Completion.ABANDONED.value)
    assert text(app, ended, "zh") == "enough"


def test_the_reason_of_a_state_is_translated_by_the_event_that_set_it(app: Flask) -> None:
    made = replace(MADE["stage"], reason="stage 2 of 5")
    with app.test_request_context("/console/?lang=zh"):
        assert reasons.translated("stage 2 of 5", [made]) == reasons.reason_of(made)
        assert reasons.translated("other", [made]) == "other"
