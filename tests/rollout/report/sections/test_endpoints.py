"""The section of an endpoint shows its gates."""

from tests.rollout.report.conftest import Make, Reported


def test_a_waived_verification_is_not_shown_as_passed(make: Make) -> None:
    run = make(endpoints=["records.violation"], without_verification=True).go()
    shown = Reported(run.end()).show("md")
    assert "| Verification over HTTP | ⚠ not verified over HTTP |" in shown
