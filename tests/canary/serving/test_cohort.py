"""Who is in a rollout is settled for ever, and grows with the percentage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection_api.canary.serving.cohort import BUCKETS, bucket, is_in

subjects = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
percents = st.floats(0, 100)


@pytest.mark.parametrize(
    ("endpoint", "subject", "place"),
    [
        ("records.violation", "client-1", 993),
        ("records.violation", "client-2", 949),
        ("cameras.cameras", "client-1", 7463),
        ("statistics.daily", "工厂-7", 2117),
        ("statistics.daily", "", 8001),
    ],
)
def test_the_mapping_never_changes(endpoint: str, subject: str, place: int) -> None:
    """A changed mapping would move clients between implementations in mid-rollout."""
    assert bucket(endpoint, subject) == place


@given(subjects, percents, percents)
def test_who_is_in_stays_in_as_the_percentage_grows(subject: str, one: float, two: float) -> None:
    low, high = sorted((one, two))
    if is_in("records.violation", subject, low):
        assert is_in("records.violation", subject, high)


@given(subjects)
def test_nobody_is_in_at_0_and_everybody_at_100(subject: str) -> None:
    assert not is_in("records.violation", subject, 0)
    assert is_in("records.violation", subject, 100)


@pytest.mark.parametrize("percent", [0.5, 1, 10, 25, 50])
def test_the_share_that_is_in_is_the_percentage(percent: float) -> None:
    inside = sum(is_in("records.violation", f"client-{n}", percent) for n in range(40_000))
    assert inside / 400 == pytest.approx(percent, abs=0.6)


def test_endpoints_draw_their_cohorts_independently() -> None:
    both = sum(
        is_in("records.violation", f"client-{n}", 10)
        and is_in("cameras.cameras", f"client-{n}", 10)
        for n in range(40_000)
    )
    assert both / 400 == pytest.approx(1, abs=0.3)


@given(subjects)
def test_places_are_within_the_buckets(subject: str) -> None:
    assert 0 <= bucket("statistics.daily", subject) < BUCKETS
