"""Orders over HTTP are checked before they change anything."""

from types import SimpleNamespace
from typing import Any

import pytest

from detection_api import token_format
from detection_api.schemas import orders
from detection_api.schemas.orders import (
    LONGEST_REASON,
    RollbackOrderSchema,
    RolloutOrderSchema,
    SetOrderSchema,
)


@pytest.fixture(autouse=True)
def _endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = SimpleNamespace(endpoints=("a.one", "a.two"))
    monkeypatch.setattr(orders, "canary", SimpleNamespace(runtime=runtime))


def test_an_order_is_for_the_default_unless_it_names_an_endpoint() -> None:
    order = RolloutOrderSchema().load({"reason": "bad answers"})
    assert order == {"endpoint": "*", "reason": "bad answers", "expected_epoch": None}


def test_an_unknown_endpoint_is_refused_with_the_names_of_all() -> None:
    found = RolloutOrderSchema().validate({"endpoint": "a.three", "reason": "typo"})
    assert found == {"endpoint": ["There is no such endpoint; there are *, a.one, a.two."]}


@pytest.mark.parametrize(
    "reason",
    ["", "x" * (LONGEST_REASON + 1), "two\nlines", f"revoke {token_format.new_token()}"],
    ids=["empty", "too long", "control characters", "a token"],
)
def test_a_reason_that_the_audit_must_not_show_is_refused(reason: str) -> None:
    assert RolloutOrderSchema().validate({"reason": reason}).keys() == {"reason"}


def test_a_new_percent_needs_no_reason() -> None:
    assert SetOrderSchema().load({"percent": 25})["reason"] == ""
    assert RollbackOrderSchema().validate({}).keys() == {"reason"}


@pytest.mark.parametrize("percent", [-1, 100.1, "25", True, None, float("nan")], ids=repr)
def test_a_percent_is_a_json_number_from_0_to_100(percent: Any) -> None:
    assert SetOrderSchema().validate({"percent": percent}).keys() == {"percent"}


@pytest.mark.parametrize("epoch", [-1, 1.5, "1", True, 2**63], ids=repr)
def test_an_epoch_is_a_json_integer(epoch: Any) -> None:
    order = {"reason": "r", "expected_epoch": epoch}
    assert RolloutOrderSchema().validate(order).keys() == {"expected_epoch"}
