"""Measure the resident memory of every worker during many requests."""

from collections.abc import Iterator

import psutil

from benchmarks.options import Options
from benchmarks.report import show
from benchmarks.results import Result
from benchmarks.stage import EVERYTHING, Stage
from benchmarks.subjects import CANARY

MARKS = 10
"""Number of memory measurements."""
WARM_UP = 10
"""Seconds for pools, caches and statements to fill up."""
TURN = 2


def run(stage: Stage, options: Options) -> Iterator[Result]:
    """Load all endpoints until `options.requests` are answered; print the memory of the workers."""
    world = stage.world(options.world)
    with stage.serving(CANARY, world) as server:
        everything = server.with_all_endpoints()
        everything.measure(EVERYTHING, WARM_UP)
        first = _megabytes(server.pid)
        loads, answered, last = [], 0.0, first
        show(f"memory, {world.rows:,} rows, {options.requests:,} requests")
        while answered < options.requests:
            loads.append(everything.measure(EVERYTHING, TURN))
            marks_before = int(answered * MARKS / options.requests)
            answered += loads[-1].requests_per_s * TURN
            if int(answered * MARKS / options.requests) > marks_before:
                last = _megabytes(server.pid)
                sizes = "  ".join(f"{pid}: {size:.1f} MB" for pid, size in last.items())
                show(f"  {answered:>12,.0f} requests  {sizes}")
    result = Result.of("memory", CANARY.server, EVERYTHING, world.rows, loads)
    show(str(result))
    yield result
    growth = max(last[pid] / first[pid] for pid in first)
    show(f"  largest growth of a worker after the warm-up: {growth:.3f}x")


def _megabytes(pid: int) -> dict[int, float]:
    """Return the resident memory of each worker of a server, by process id."""
    return {worker.pid: worker.memory_info().rss / 1e6 for worker in psutil.Process(pid).children()}
