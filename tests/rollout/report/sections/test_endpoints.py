"""The section of an endpoint shows its gates."""

from tests.rollout.report.conftest import Make, Reported


def test_a_verification_that_was_waived_is_not_called_passed(make: Make) -> None:
    run = make(endpoints=["records.violation"], without_verification=True).go()
    shown = Reported(run.end()).show("md")
    assert "| Verification over HTTP | ⚠ not verified over HTTP |" in shown
