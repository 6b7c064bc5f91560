"""The first rule that applies decides, and what is unreadable is read as the safe side."""

import logging

import pytest

from detection_api.canary.decision import Arm, Decision, ForcePolicy, Overrides, decide
from detection_api.canary.store import RolloutState, Status

ENDPOINT = "records.violation"
ROLLED_BACK = RolloutState(endpoint=ENDPOINT, percent=100, status=Status.ROLLED_BACK)


def at(percent: float) -> RolloutState:
    return RolloutState(endpoint=ENDPOINT, percent=percent)


def decision(state: RolloutState, forced: Arm | None = None, **environ: str) -> tuple[str, str]:
    made = decide(Overrides.from_environ(environ), state, subject="client-1", forced=forced)
    assert isinstance(made, Decision)
    return made.arm.value, made.reason.value


@pytest.mark.parametrize("word", ["false", "0", "no", "off", "", "flase", "True!", "domain"])
def test_the_kill_switch_beats_everything(word: str) -> None:
    """Anything but a true word is a kill switch, a typo included."""
    everything = {"USE_DOMAIN_SERVICE": word, "ROLLOUT_PERCENT": "100"}
    assert decision(at(100), Arm.DOMAIN, **everything) == ("legacy", "kill_switch")


@pytest.mark.parametrize("word", ["true", "1", "yes", "on", " TRUE "])
def test_a_true_word_leaves_the_rollout_to_its_percentage(word: str) -> None:
    assert decision(at(100), USE_DOMAIN_SERVICE=word) == ("domain", "rollout")


@pytest.mark.parametrize("arm", Arm)
def test_a_granted_wish_beats_a_rollback_and_the_percentage(arm: Arm) -> None:
    assert decision(ROLLED_BACK, arm, ROLLOUT_PERCENT="100") == (arm.value, "forced")


def test_a_rollback_beats_the_percentage_even_a_pinned_one() -> None:
    assert decision(ROLLED_BACK, ROLLOUT_PERCENT="100") == ("legacy", "rolled_back")


def test_the_percentage_decides_last() -> None:
    assert decision(at(100)) == ("domain", "rollout")
    assert decision(at(0)) == ("legacy", "holdout")


@pytest.mark.parametrize(
    ("environ", "percent"),
    [
        ({}, None),
        ({"ROLLOUT_PERCENT": "25"}, 25),
        ({"ROLLOUT_PERCENT": "25", "ROLLOUT_PERCENT_RECORDS_VIOLATION": "0.5"}, 0.5),
        ({"ROLLOUT_PERCENT_RECORDS_VIOLATION": "0", "ROLLOUT_PERCENT": "100"}, 0),
        ({"ROLLOUT_PERCENT_CAMERAS_CAMERAS": "50"}, None),
    ],
    ids=["nothing pinned", "all pinned", "own beats all", "own zero beats all", "another pinned"],
)
def test_an_endpoints_own_pin_beats_the_pin_for_all(
    environ: dict[str, str], percent: float | None
) -> None:
    assert Overrides.from_environ(environ).pinned_percent(ENDPOINT) == percent


def test_a_pinned_percentage_beats_the_stores() -> None:
    assert decision(at(100), ROLLOUT_PERCENT="0") == ("legacy", "holdout")


@pytest.mark.parametrize("text", ["101", "-1", "ten", "", "nan", "inf", "10%"])
def test_an_unreadable_percentage_is_0_and_said_in_the_log(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert decision(at(100), ROLLOUT_PERCENT=text) == ("legacy", "holdout")
    assert "ROLLOUT_PERCENT=" in caplog.text


@pytest.mark.parametrize(
    ("word", "policy"),
    [("open", ForcePolicy.OPEN), ("token", ForcePolicy.TOKEN), ("Off", ForcePolicy.OFF)],
)
def test_the_force_policy_is_read(word: str, policy: ForcePolicy) -> None:
    assert Overrides.from_environ({"FORCE_DOMAIN": word}).force is policy


def test_an_unreadable_force_policy_lets_nobody_force(caplog: pytest.LogCaptureFixture) -> None:
    assert Overrides.from_environ({"FORCE_DOMAIN": "opne"}).force is ForcePolicy.OFF
    assert "FORCE_DOMAIN='opne'" in caplog.text


def test_a_pin_for_no_endpoint_is_a_kill_switch(caplog: pytest.LogCaptureFixture) -> None:
    """What was misspelled may have been the rollback of one endpoint."""
    typo = Overrides.from_environ({"ROLLOUT_PERCENT_RECORD_VIOLATION": "0"})
    assert not typo.checked([ENDPOINT]).use_domain
    assert "ROLLOUT_PERCENT_RECORD_VIOLATION names no endpoint" in caplog.text
    right = {"ROLLOUT_PERCENT": "5", "ROLLOUT_PERCENT_RECORDS_VIOLATION": "0"}
    assert Overrides.from_environ(right).checked([ENDPOINT]).use_domain


def test_without_any_variable_nothing_is_overridden() -> None:
    assert Overrides.from_environ({}) == Overrides(
        use_domain=True, pinned={}, force=ForcePolicy.OPEN, sticky_header="X-Client-Id"
    )
