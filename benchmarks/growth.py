"""Measure the cost of history: worlds of different sizes under the same load."""

from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks import comparison, results
from benchmarks.options import ROWS, Options
from benchmarks.report import show
from benchmarks.results import Result
from benchmarks.stage import Stage
from benchmarks.subjects import CANARY

SIZES = (ROWS["10k"], ROWS["1M"], ROWS["10M"])


def run(stage: Stage, options: Options) -> Iterator[Result]:
    """Measure every endpoint over all worlds up to the size in `options`."""
    smallest, *larger = sizes = [rows for rows in SIZES if rows <= max(options.world, SIZES[1])]
    table: dict[str, list[float]] = {f"{rows:,} rows": [] for rows in larger}
    with ExitStack() as stack:
        targets = {
            rows: stack.enter_context(stage.serving(CANARY, stage.world(rows))) for rows in sizes
        }
        endpoints = options.endpoints or list(targets[smallest].paths)
        for endpoint in endpoints:
            show(f"growth, {endpoint}, {options.turns} turns")
            taken = comparison.take_turns(targets, endpoint, options.turns, options.seconds)
            for rows, loads in taken.items():
                result = Result.of("growth", CANARY.server, endpoint, rows, loads)
                show(f"{result}  {rows:>12,} rows")
                yield result
            for rows in larger:
                ratio = results.ratio(taken[rows], taken[smallest], "p99_ms")
                table[f"{rows:,} rows"].append(ratio)
    show(results.ratios(f"P99 against {smallest:,} rows", endpoints, table))
