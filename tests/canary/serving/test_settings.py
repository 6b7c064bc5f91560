"""What the environment says about the canary, and how what is unreadable is read."""

import logging

import pytest

from detection_api.canary.serving.settings import CanarySettings, ForcePolicy

ENDPOINT = "records.violation"


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
    assert CanarySettings.from_environ(environ).pinned_percent(ENDPOINT) == percent


@pytest.mark.parametrize("text", ["101", "-1", "ten", "", "nan", "inf", "10%"])
def test_an_unreadable_percentage_is_0_and_said_in_the_log(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        overrides = CanarySettings.from_environ({"ROLLOUT_PERCENT": text})
    assert overrides.pinned_percent(ENDPOINT) == 0
    assert "ROLLOUT_PERCENT=" in caplog.text


@pytest.mark.parametrize(
    ("word", "policy"),
    [("open", ForcePolicy.OPEN), ("token", ForcePolicy.TOKEN), ("Off", ForcePolicy.OFF)],
)
def test_the_force_policy_is_read(word: str, policy: ForcePolicy) -> None:
    assert CanarySettings.from_environ({"FORCE_DOMAIN": word}).force is policy


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60", 60), ("0.5", 0.5), ("0", 0), ("", 0)],
    ids=["60", "0.5", "0", "empty"],
)
def test_how_old_an_answer_may_be_in_an_outage_is_read(text: str, seconds: float) -> None:
    assert CanarySettings.from_environ({"STALE_IF_ERROR": text}).stale_if_error == seconds


@pytest.mark.parametrize("text", ["-1", "a minute", "nan", "inf"])
def test_where_that_is_unreadable_no_old_answer_goes_out(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert CanarySettings.from_environ({"STALE_IF_ERROR": text}).stale_if_error == 0
    assert "STALE_IF_ERROR=" in caplog.text


def test_an_unreadable_force_policy_lets_nobody_force(caplog: pytest.LogCaptureFixture) -> None:
    assert CanarySettings.from_environ({"FORCE_DOMAIN": "opne"}).force is ForcePolicy.OFF
    assert "FORCE_DOMAIN='opne'" in caplog.text


def test_a_pin_for_no_endpoint_is_a_kill_switch(caplog: pytest.LogCaptureFixture) -> None:
    """What was misspelled may have been the rollback of one endpoint."""
    typo = CanarySettings.from_environ({"ROLLOUT_PERCENT_RECORD_VIOLATION": "0"})
    assert not typo.checked([ENDPOINT]).use_domain
    assert "ROLLOUT_PERCENT_RECORD_VIOLATION names no endpoint" in caplog.text
    right = {"ROLLOUT_PERCENT": "5", "ROLLOUT_PERCENT_RECORDS_VIOLATION": "0"}
    assert CanarySettings.from_environ(right).checked([ENDPOINT]).use_domain


def test_without_any_variable_nothing_is_overridden() -> None:
    assert CanarySettings.from_environ({}) == CanarySettings(
        use_domain=True, pinned={}, force=ForcePolicy.OPEN, sticky_header="X-Client-Id"
    )


def test_every_variable_is_read() -> None:
    environ = {
        "CANARY_STALE_AFTER": "5",
        "SHADOW_PERCENT": "25",
        "SHADOW_MAX_PER_SECOND": "0.5",
        "CANARY_STORE_VALUES": "true",
        "CANARY_RETENTION_DAYS": "7",
    }
    assert CanarySettings.from_environ(environ) == CanarySettings(
        pinned={},
        stale_after=5,
        shadow_percent=25,
        shadow_per_second=0.5,
        store_values=True,
        retention_days=7,
    )


@pytest.mark.parametrize("text", ["", "never", "0", "-1", "nan", "inf"])
def test_an_unreadable_number_is_its_default(text: str, caplog: pytest.LogCaptureFixture) -> None:
    names = ("CANARY_STALE_AFTER", "SHADOW_MAX_PER_SECOND", "CANARY_RETENTION_DAYS")
    assert CanarySettings.from_environ(dict.fromkeys(names, text)) == CanarySettings(pinned={})
    assert all((name in caplog.text) == bool(text) for name in names)


def test_an_unreadable_shadow_percentage_compares_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert CanarySettings.from_environ({"SHADOW_PERCENT": "many"}).shadow_percent == 0
    assert "SHADOW_PERCENT='many'" in caplog.text


@pytest.mark.parametrize("word", ["", "false", "yse"])
def test_values_are_stored_only_when_a_true_word_says_so(word: str) -> None:
    assert not CanarySettings.from_environ({"CANARY_STORE_VALUES": word}).store_values


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({}, None),
        ({"ROLLOUT_PERCENT_ITEMS_OTHER": "5"}, None),
        ({"ROLLOUT_PERCENT": "5"}, "ROLLOUT_PERCENT"),
        ({"ROLLOUT_PERCENT": "5", "ROLLOUT_PERCENT_ITEMS_ITEM": "0"}, "ROLLOUT_PERCENT_ITEMS_ITEM"),
    ],
    ids=["nothing", "another endpoint", "all endpoints", "the endpoint itself"],
)
def test_the_variable_that_pins_an_endpoint_has_a_name(
    environ: dict[str, str], variable: str | None
) -> None:
    assert CanarySettings.from_environ(environ).pin_of("items.item") == variable
