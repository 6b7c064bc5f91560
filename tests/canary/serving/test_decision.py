"""The first rule that applies decides."""

import pytest

from detection_api.canary.serving.decision import Decision, decide
from detection_api.canary.serving.settings import CanarySettings
from detection_api.canary.state.types import Arm, RolloutState, Status

ENDPOINT = "records.violation"
ROLLED_BACK = RolloutState(endpoint=ENDPOINT, percent=100, status=Status.ROLLED_BACK)


def at(percent: float) -> RolloutState:
    return RolloutState(endpoint=ENDPOINT, percent=percent)


def decision(state: RolloutState, forced: Arm | None = None, **environ: str) -> tuple[str, str]:
    made = decide(CanarySettings.from_environ(environ), state, subject="client-1", forced=forced)
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


def test_a_store_that_was_not_heard_from_is_a_rollback_even_where_the_percentage_is_pinned() -> (
    None
):
    unknown = RolloutState(endpoint=ENDPOINT, percent=100, status=Status.UNKNOWN)
    assert decision(unknown, ROLLOUT_PERCENT="100") == ("legacy", "stale")
    assert decision(unknown, Arm.DOMAIN) == ("domain", "forced")


def test_the_percentage_decides_last() -> None:
    assert decision(at(100)) == ("domain", "rollout")
    assert decision(at(0)) == ("legacy", "holdout")


def test_a_pinned_percentage_beats_the_stores() -> None:
    assert decision(at(100), ROLLOUT_PERCENT="0") == ("legacy", "holdout")
