"""Resident memory of every worker while it answers many requests."""

from collections.abc import Iterator

import psutil

from benchmarks.options import Options
from benchmarks.report import tell
from benchmarks.results import Result
from benchmarks.stage import EVERYTHING, Stage
from benchmarks.subjects import CANARY

MARKS = 10
"""How often memory is looked at."""
WARM_UP = 10
"""Seconds in which pools, caches and statements fill up."""
TURN = 2


def run(stage: Stage, options: Options) -> Iterator[Result]:
    """Ask for everything until so many requests are answered, and watch the workers."""
    world = stage.world(options.world)
    with stage.serving(CANARY, world) as server:
        everything = server.asked_everything()
        everything.ask(EVERYTHING, WARM_UP)
        first = _megabytes(server.pid)
        loads, answered, last = [], 0.0, first
        tell(f"memory, {world.rows:,} rows, {options.requests:,} requests")
        while answered < options.requests:
            loads.append(everything.ask(EVERYTHING, TURN))
            marks_before = int(answered * MARKS / options.requests)
            answered += loads[-1].requests_per_s * TURN
            if int(answered * MARKS / options.requests) > marks_before:
                last = _megabytes(server.pid)
                sizes = "  ".join(f"{pid}: {size:.1f} MB" for pid, size in last.items())
                tell(f"  {answered:>12,.0f} requests  {sizes}")
    result = Result.of("memory", CANARY.server, EVERYTHING, world.rows, loads)
    tell(str(result))
    yield result
    growth = max(last[pid] / first[pid] for pid in first)
    tell(f"  the worker that grew most has {growth:.3f}x what it had after warming up")


def _megabytes(pid: int) -> dict[int, float]:
    """Resident memory of each of a server's workers."""
    return {worker.pid: worker.memory_info().rss / 1e6 for worker in psutil.Process(pid).children()}
