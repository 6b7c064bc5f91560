"""Latency histograms in logarithmic bins: small, mergeable by addition, 5% relative error; pure.

The bins are DDSketch's (Masson, Rim & Lee, VLDB 2019): bin i holds (gamma^(i-1), gamma^i] seconds.
The bin's representative value is within 5% of each value in it.
"""

import math
from collections.abc import Mapping

RELATIVE_ERROR = 0.05
GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_PER_LOG = 1 / math.log(GAMMA)
_SHORTEST = 1e-6
"""Seconds; shorter durations are counted as this one."""

Histogram = dict[int, int]
"""The number of observations by bin."""


def bin_of(seconds: float) -> int:
    """Return the bin of `seconds`."""
    return math.ceil(math.log(max(seconds, _SHORTEST)) * _PER_LOG)


def seconds_of(index: int) -> float:
    """Return the representative value of a bin, in seconds."""
    return 2 * math.exp(index / _PER_LOG) / (GAMMA + 1)


def observe(into: Histogram, seconds: float) -> None:
    """Count one observation."""
    index = bin_of(seconds)
    into[index] = into.get(index, 0) + 1


def merge(into: Histogram, other: Mapping[int, int]) -> None:
    """Add `other`'s counts."""
    for index, count in other.items():
        into[index] = into.get(index, 0) + count


def percentile(histogram: Mapping[int, int], percent: float) -> float | None:
    """Return the percentile, 0..100, in seconds; None without observations."""
    return at_rank(histogram, math.ceil(sum(histogram.values()) * percent / 100))


def at_rank(histogram: Mapping[int, int], rank: int) -> float | None:
    """Return the seconds of the observation at `rank`, from 1 on; None beyond the last one."""
    counted = 0
    for index in sorted(histogram):
        counted += histogram[index]
        if counted >= rank:
            return seconds_of(index)
    return None
