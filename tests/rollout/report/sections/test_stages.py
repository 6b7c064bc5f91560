"""The scope and the stages of a run are in its report."""

from datetime import UTC

from tests.rollout.report.conftest import Reported


def test_times_are_in_utc(healthy: Reported) -> None:
    began = healthy.run.began.astimezone(UTC)
    assert f"| Began | {began:%Y-%m-%d %H:%M:%S}Z" in healthy.show("md")
