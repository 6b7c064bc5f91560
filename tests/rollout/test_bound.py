"""What observations without, or with few, bad ones leave possible."""

import math

import pytest

from detection_api.rollout.bound import observations_for, percent_bound, upper_bound
from detection_api.rollout.run import Plan


@pytest.mark.parametrize(("share", "count"), [(0.01, 299), (0.1, 29), (0.05, 59), (0.001, 2995)])
def test_a_smaller_share_needs_more_observations(share: float, count: int) -> None:
    assert observations_for(share) == count
    assert upper_bound(0, count) <= share < upper_bound(0, count - 1)


@pytest.mark.parametrize(("bad", "total"), [(0, 10), (1, 30), (3, 299), (20, 400)])
def test_at_the_bound_so_few_bad_ones_have_a_chance_of_at_most_5_percent(
    bad: int, total: int
) -> None:
    share = upper_bound(bad, total)
    chance = sum(
        math.comb(total, n) * share**n * (1 - share) ** (total - n) for n in range(bad + 1)
    )
    assert chance <= 0.05 + 1e-9


@pytest.mark.parametrize(
    ("bad", "total", "percent"), [(0, 299, 1.0), (0, 312, 0.96), (0, 1, 95.0), (5, 5, 100.0)]
)
def test_a_bound_is_rounded_up_to_two_digits(bad: int, total: int, percent: float) -> None:
    assert percent_bound(bad, total) == percent


def test_nothing_observed_bounds_nothing() -> None:
    assert percent_bound(0, 0) is None


def test_a_plan_demands_what_its_share_needs_unless_the_operator_names_a_number() -> None:
    assert Plan(endpoints={}).comparisons == 299
    assert Plan(endpoints={}, max_wrong=10).comparisons == 29
    assert Plan(endpoints={}, min_comparisons=30).comparisons == 30
