"""`python -m benchmarks [PART ...]`: run all parts, or those named, and print a table."""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import click

from benchmarks import canary, encoder, ingestion, overhead, waiting

ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: medians in microseconds for each of a part's units of work."""

    part: str
    ours: float
    other: float
    what: str


PARTS: dict[str, Callable[[], Iterator[tuple[str, Callable[[], int], Callable[[], int]]]]] = {
    "encoder": encoder.pairs,
    "canary": canary.pairs,
    "waiting": waiting.pairs,
}


def median_us(work: Callable[[], int]) -> float:
    """Microseconds for one unit of `work`, which returns how many units it did."""
    started = time.perf_counter()
    units = work()
    return (time.perf_counter() - started) / units * 1e6


def compare(part: str) -> Iterator[Row]:
    """Measure each pair of a part in turns, so that both meet the same machine."""
    for what, ours, other in PARTS[part]():
        turns = [(median_us(ours), median_us(other)) for _ in range(ROUNDS)]
        first, second = (statistics.median(side) for side in zip(*turns, strict=True))
        yield Row(part, first, second, what)


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice([*PARTS, "overhead", "ingestion"]))
def main(parts: tuple[str, ...]) -> None:
    """Measure PARTS, or all of them.

    \b
    Example:
      python -m benchmarks encoder
    """
    click.echo(f"{'part':10} {'ours':>10} {'other':>10} {'ratio':>7}  what")
    for part in [part for part in PARTS if not parts or part in parts]:
        for row in compare(part):
            click.echo(
                f"{row.part:10} {row.ours:7.1f} us {row.other:7.1f} us"
                f" {row.other / row.ours:6.2f}x  {row.what}"
            )
    if not parts or "overhead" in parts:
        for share in overhead.report():
            click.echo(str(share))
    if not parts or "ingestion" in parts:
        click.echo(ingestion.report())


if __name__ == "__main__":
    main()
