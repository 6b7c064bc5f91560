"""`python -m benchmarks.run_lengths`: compute exact run lengths of the guard's absolute signals.

The points of a Bernoulli CUSUM are a Markov chain: +`up` for a bad request, -1 for a good one, at
least 0; the signal fires at `cap` points. Mean run lengths follow from the time in which the chain
falls by one point, computed from the highest point down. No step subtracts nearly equal numbers,
so the result is also exact for false alarms that are 10^9 requests apart.
"""

import math

import click

from detection_api.canary.guard import PARAMETERS, Signal

RATES = (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.10, 0.20, 0.30, 0.50, 1.0)
HEALTHY = 0.01
"""The failure rate of a healthy endpoint, at which false alarms are counted."""
ABSOLUTE = (Signal.FAILING, Signal.ERRING, Signal.SLOW)


def mean_run_length(rate: float, up: int, cap: int) -> float:
    """Return the mean number of requests until a CUSUM that starts at 0 points fires.

    `rate` (0..1] is the share of bad requests.
    """
    falls_in = [0.0] * cap  # mean requests until the chain is one point lower, or has fired
    fires = [0.0] * cap  # probability that it fires before it is one point lower
    for points in range(cap - 1, -1, -1):
        requests, fired = 0.0, 0.0  # from the points after a bad request back to these
        for above in range(points + up, points, -1):
            if above >= cap:
                fired = 1.0
                break
            requests += (1 - fired) * falls_in[above]
            fired += (1 - fired) * fires[above]
        if points == 0:
            return (1 + rate * requests) / (rate * fired)
        leaves = 1 - rate * (1 - fired)
        falls_in[points] = (1 + rate * requests) / leaves
        fires[points] = rate * fired / leaves
    raise ValueError(f"cap must be at least 1, not {cap}")


def optimal_run_length(rate: float, false_alarm_every: float) -> float:
    """Return the mean requests to an alarm of the test that is optimal for the known `rate`.

    That is the CUSUM of the log-likelihood ratio (Lorden 1971, Moustakides 1986), its steps rounded
    to whole points, with at least `false_alarm_every` requests between alarms at HEALTHY.
    """
    if rate == 1:  # one good request excludes the rate: count bad ones in a row
        return math.ceil(-math.log(false_alarm_every) / math.log(HEALTHY))
    up = round(math.log(rate / HEALTHY) / math.log((1 - HEALTHY) / (1 - rate)))
    low, high = 0, 1
    while mean_run_length(HEALTHY, up, high) < false_alarm_every:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if mean_run_length(HEALTHY, up, middle) < false_alarm_every:
            low = middle
        else:
            high = middle
    return mean_run_length(rate, up, high)


@click.command()
def main() -> None:
    """Print the mean number of requests until each absolute signal fires, by failure rate.

    \b
    Example:
      python -m benchmarks.run_lengths
    """
    print("| rate | " + " | ".join(signal.value for signal in ABSOLUTE) + " | failing / optimum |")
    print("|---|" + "---|" * (len(ABSOLUTE) + 1))
    for rate in RATES:
        lengths = [_run_length(signal, rate) for signal in ABSOLUTE]
        cells = " | ".join(f"{length:,.0f}" for length in lengths)
        print(f"| {rate:.0%} | {cells} | {_beside_optimum(rate, lengths[0])} |")


def _beside_optimum(rate: float, length: float) -> str:
    if rate <= HEALTHY:
        return "-"
    return f"{length / optimal_run_length(rate, _run_length(Signal.FAILING, HEALTHY)):.2f}"


def _run_length(signal: Signal, rate: float) -> float:
    up, k = PARAMETERS[signal]["up"], PARAMETERS[signal]["k"]
    return mean_run_length(rate, up, up * k)


if __name__ == "__main__":
    main()
