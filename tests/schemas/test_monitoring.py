"""Answers of health and metrics state their bounds."""

from typing import Any

import pytest

from detection_api.schemas.monitoring import (
    ArmMetricsSchema,
    FailuresByCauseSchema,
    HealthCheckSchema,
    HealthSchema,
)


@pytest.mark.parametrize("status", ["ok", "failing", "disabled", "bypassed"])
def test_a_check_has_one_of_four_states(status: str) -> None:
    assert HealthCheckSchema().validate({"status": status, "ms": 0.1}) == {}
    assert HealthCheckSchema().validate({"status": "unknown", "ms": 0.1}).keys() == {"status"}


def test_health_as_a_whole_is_ok_or_failing() -> None:
    assert HealthSchema().validate({"status": "ok", "checks": {}}) == {}
    assert HealthSchema().validate({"status": "disabled", "checks": {}}).keys() == {"status"}


@pytest.mark.parametrize("count", [-1, 1.5, "1"], ids=repr)
def test_a_count_is_a_whole_number_of_0_or_more(count: Any) -> None:
    failures = {"error": count, "timeout": 0, "contract": 0, "death": 0}
    assert FailuresByCauseSchema().validate(failures).keys() == {"error"}


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_0_to_1_or_null(share: float) -> None:
    schema = ArmMetricsSchema(only=["server_error_rate"])
    assert schema.validate({"server_error_rate": share}).keys() == {"server_error_rate"}
    assert schema.validate({"server_error_rate": None}) == {}
