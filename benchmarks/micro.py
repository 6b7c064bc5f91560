"""Small things against each other in one process, without servers under load."""

import statistics
import time
from collections.abc import Callable, Iterator

from benchmarks import encoder, waiting

Work = Callable[[], int]
"""Does something many times; how many."""
PARTS: dict[str, Callable[[], Iterator[tuple[str, Work, Work]]]] = {
    "encoder": encoder.pairs,
    "waiting": waiting.pairs,
}


def compare(part: str, turns: int) -> Iterator[str]:
    """A line for each pair of the part: medians over the turns, and of their ratios."""
    for what, ours, other in PARTS[part]():
        taken = [(_microseconds(ours), _microseconds(other)) for _ in range(turns)]
        first, second = (statistics.median(side) for side in zip(*taken, strict=True))
        share = statistics.median(theirs / mine for mine, theirs in taken)
        yield f"{part:<10}{first:8.1f} us{second:10.1f} us{share:8.2f}x  {what}"


def _microseconds(work: Work) -> float:
    """For one unit of `work`."""
    started = time.perf_counter()
    units = work()
    return (time.perf_counter() - started) / units * 1e6
