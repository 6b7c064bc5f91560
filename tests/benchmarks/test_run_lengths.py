"""The guard's table is computed, and agrees with what the guard does request by request."""

import pytest
from benchmarks.run_lengths import main, mean_run_length, optimal_run_length
from click.testing import CliRunner

from detection_api.canary.guard.cusum import Cusum

FAILING = {"up": 19, "cap": 19 * 7}


@pytest.mark.parametrize(
    ("rate", "requests"),
    [(0.02, 2.5e6), (0.03, 50_000), (0.04, 4_256), (0.05, 1_025), (0.10, 129), (0.30, 28), (1, 7)],
)
def test_a_steady_failure_rate_is_rolled_back_after_as_many_requests_as_documented(
    rate: float, requests: float
) -> None:
    assert mean_run_length(rate, **FAILING) == pytest.approx(requests, rel=5e-3, abs=0.5)


def test_a_healthy_endpoint_is_rolled_back_once_in_two_billion_requests() -> None:
    assert mean_run_length(0.01, **FAILING) == pytest.approx(2e9, rel=0.01)


def test_seven_failures_in_a_row_instead_of_the_optimal_five() -> None:
    assert optimal_run_length(1, mean_run_length(0.01, **FAILING)) == 5


def test_at_ten_percent_no_test_is_more_than_a_few_percent_faster() -> None:
    optimum = optimal_run_length(0.1, mean_run_length(0.01, **FAILING))
    assert 1 <= mean_run_length(0.1, **FAILING) / optimum <= 1.05


def test_the_mean_is_that_of_the_test_itself() -> None:
    """The probabilities of all points, moved on by the test, until next to none is left."""
    rate, up, k = 0.4, 2, 2
    mean, at = 0.0, {0.0: 1.0}
    for number in range(1, 500):
        then: dict[float, float] = {}
        for points, probability in at.items():
            for bad, share in ((1, rate), (0, 1 - rate)):
                test = Cusum(up, k, points)
                if test.add(bad, 1 - bad):
                    mean += probability * share * number
                else:
                    then[test.points] = then.get(test.points, 0) + probability * share
        at = then
    assert sum(at.values()) < 1e-9
    assert mean_run_length(rate, up, up * k) == pytest.approx(mean)


def test_the_command_prints_a_row_for_each_rate() -> None:
    result = CliRunner().invoke(main)
    assert result.exit_code == 0, result.output
    assert "| 100% | 7 | 5 | 10 | 1.40 |" in result.output
