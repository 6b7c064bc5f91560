"""The follow-ups name what an operator has to do after the run."""

from tests.rollout.report.conftest import Reported


def follow_ups(reported: Reported) -> list[str]:
    (section,) = (s for s in reported.data()["sections"] if s["key"] == "follow_ups")
    return [cell["text"] for block in section["blocks"] for cell in block["paragraph"]]


def test_each_endpoint_behind_has_something_to_do(broken: Reported) -> None:
    items = follow_ups(broken)
    assert "statistics.daily: find and fix the failure, then start a new run for it." in items
    assert any(item.startswith("cameras.cameras: remove the cause") for item in items)
    assert any(item.startswith("records.violation: exercise the branches") for item in items)


def test_after_a_healthy_run_differences_expire_and_legacy_may_go(healthy: Reported) -> None:
    accepted, assess = follow_ups(healthy)
    assert accepted.startswith("records.violation: the difference at $ is accepted until ")
    assert assess.startswith("After 7 days at 100%, run `detection-api rollout assess`")
