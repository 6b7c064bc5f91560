"""Compare small pieces of code in one process, without servers."""

import statistics
import time
from collections.abc import Callable, Iterator

from benchmarks import encoder, waiting

Work = Callable[[], int]
"""Does a unit of work many times, and returns how many."""
PARTS: dict[str, Callable[[], Iterator[tuple[str, Work, Work]]]] = {
    "encoder": encoder.pairs,
    "waiting": waiting.pairs,
}


def compare(part: str, turns: int) -> Iterator[str]:
    """Yield a line for each pair of the part: the median times and the median ratio."""
    for title, ours, other in PARTS[part]():
        taken = [(_microseconds(ours), _microseconds(other)) for _ in range(turns)]
        first, second = (statistics.median(side) for side in zip(*taken, strict=True))
        share = statistics.median(theirs / mine for mine, theirs in taken)
        yield f"{part:<10}{first:8.1f} us{second:10.1f} us{share:8.2f}x  {title}"


def _microseconds(work: Work) -> float:
    """Return the time of one unit of `work`."""
    started = time.perf_counter()
    units = work()
    return (time.perf_counter() - started) / units * 1e6
