"""Bound the share of bad events by the events observed; pure."""

import math

CONFIDENCE = 0.95
_STEPS = 60


def observations_for(share: float) -> int:
    """Return how many good observations without a bad one bound the bad share to `share`."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-share))


def upper_bound(bad: int, total: int) -> float:
    """Return the largest share of bad events that `bad` of `total` observations leave possible.

    It is exact for `bad` = 0, where it is 1 - (1 - CONFIDENCE) ** (1 / total). Else it is
    Chernoff's bound, which is never too low. `total` is at least 1.
    """
    low, high = bad / total, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if total * _divergence(bad / total, middle) < -math.log(1 - CONFIDENCE):
            low = middle
        else:
            high = middle
    return high


def percent_bound(bad: int, total: int) -> float | None:
    """Return the bound in percent, rounded up to two digits; None without observations."""
    if not total:
        return None
    percent = 100 * upper_bound(bad, total)
    unit = 10.0 ** (math.floor(math.log10(percent)) - 1)
    return min(100.0, float(f"{math.ceil(round(percent / unit, 6)) * unit:.6g}"))


def _divergence(observed: float, assumed: float) -> float:
    """Return the Kullback-Leibler divergence of two shares, in nats."""
    if assumed >= 1:
        return 0.0 if observed >= 1 else math.inf
    good = (1 - observed) * math.log((1 - observed) / (1 - assumed)) if observed < 1 else 0.0
    return good + (observed * math.log(observed / assumed) if observed else 0.0)
