"""Latencies are kept in few bins, which add up, and from which percentiles come within 5%."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection_api.canary.state.histogram import (
    RELATIVE_ERROR,
    Histogram,
    bin_of,
    merge,
    percentile,
    seconds_of,
)

SECONDS = st.floats(1e-6, 1e4)


def histogram_of(seconds: list[float]) -> Histogram:
    histogram: Histogram = {}
    for each in seconds:
        merge(histogram, {bin_of(each): 1})
    return histogram


@pytest.mark.parametrize(
    ("seconds", "index"), [(0, -138), (0.001, -69), (0.25, -13), (0.5, -6), (1, 0), (60, 41)]
)
def test_bins_never_change_for_they_are_stored(seconds: float, index: int) -> None:
    assert bin_of(seconds) == index


@given(SECONDS)
def test_a_bin_stands_for_everything_in_it_within_5_percent(seconds: float) -> None:
    assert seconds_of(bin_of(seconds)) == pytest.approx(seconds, rel=RELATIVE_ERROR + 1e-9)


@given(SECONDS, SECONDS)
def test_longer_is_never_in_a_lower_bin(one: float, other: float) -> None:
    shorter, longer = sorted((one, other))
    assert bin_of(shorter) <= bin_of(longer)


@given(st.lists(SECONDS, min_size=1), st.sampled_from([0.1, 50, 95, 99, 100]))
def test_a_percentile_is_within_5_percent_of_that_observation(
    seconds: list[float], percent: float
) -> None:
    exact = sorted(seconds)[math.ceil(len(seconds) * percent / 100) - 1]
    found = percentile(histogram_of(seconds), percent)
    assert found == pytest.approx(exact, rel=RELATIVE_ERROR + 1e-9)


@given(st.lists(SECONDS), st.lists(SECONDS))
def test_merged_histograms_are_that_of_all_observations(
    some: list[float], others: list[float]
) -> None:
    merged = histogram_of(some)
    merge(merged, histogram_of(others))
    assert merged == histogram_of(some + others)


@pytest.mark.parametrize("percent", [0, 50, 100])
def test_without_observations_there_is_no_percentile(percent: float) -> None:
    assert percentile({}, percent) is None
