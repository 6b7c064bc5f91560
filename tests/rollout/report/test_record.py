"""The record counts time as the ledger does: in buckets of 10 seconds."""

from datetime import UTC, datetime, timedelta

import pytest

from detection_api.canary.state.ledger import Tally
from detection_api.canary.state.types import Arm
from detection_api.rollout.gates.measurement import arm_evidence
from detection_api.rollout.report.record import Figures, next_bucket

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("seconds", "expected"), [(0, 0), (0.1, 10), (9.9, 10), (10, 10)])
def test_the_next_bucket_begins_at_a_moment_or_after_it(seconds: float, expected: int) -> None:
    moment = AT + timedelta(seconds=seconds)
    assert next_bucket(moment) == AT + timedelta(seconds=expected)


def figures(since: float, until: float) -> Figures:
    return Figures(
        endpoint="records.violation",
        since=AT + timedelta(seconds=since),
        until=AT + timedelta(seconds=until),
        arms={
            Arm.DOMAIN: arm_evidence(Tally(compared=2)),
            Arm.LEGACY: arm_evidence(Tally(compared=3)),
        },
    )


def test_figures_last_as_long_as_the_buckets_that_begin_in_them() -> None:
    assert figures(5, 65).seconds == 60
    assert figures(5, 9).seconds == 0


def test_a_count_of_both_arms_is_their_sum() -> None:
    assert figures(0, 10).both("compared") == 5
