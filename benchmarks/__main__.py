"""`python -m benchmarks [PART ...]`: run all parts, or the named ones, and print tables."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import click

from benchmarks import (
    compared,
    deep_pages,
    growth,
    ingestion,
    load,
    memory,
    micro,
    overhead,
    report,
    results,
)
from benchmarks.comparison import UnlikeError
from benchmarks.load import LoadError
from benchmarks.options import ROWS, Options
from benchmarks.report import show
from benchmarks.results import Result
from benchmarks.stage import Stage, stage
from detection_api.telemetry import logs

SERVED: dict[str, Callable[[Stage, Options], Iterator[Result]]] = {
    **{part: partial(overhead.run, subject=subject) for part, subject in overhead.PARTS.items()},
    "growth": growth.run,
    "deep-pages": deep_pages.run,
    "ingestion": ingestion.run,
    "memory": memory.run,
}
PARTS = (*compared.PARTS, *SERVED, *micro.PARTS)


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--rows", type=click.Choice(list(ROWS)), default="1M", help="Size of the world.")
@click.option("--turns", type=click.IntRange(1), default=5, help="Turns per target.")
@click.option("--seconds", type=click.IntRange(1), default=2, help="Length of a turn.")
@click.option(
    "--endpoint", "endpoints", multiple=True, help="Measure only this endpoint; repeatable."
)
@click.option("--lines", type=click.IntRange(1), default=1_000_000, help="Lines to ingest.")
@click.option(
    "--requests", type=click.IntRange(1), default=100_000, help="Requests in the memory part."
)
def main(parts: tuple[str, ...], **options: Any) -> None:
    """Measure PARTS, or all parts, which takes 45 minutes.

    Results are also written to benchmarks/results.json. A run of all parts also writes its tables
    to benchmarks/README.md.

    \b
    Example:
      python -m benchmarks peer-fastapi peer-fastapi-tuned --rows 100k
    """
    logs.configure("WARNING")
    chosen = set(parts or PARTS)
    try:
        if not chosen <= set(micro.PARTS):
            load.require_wrk()
        report.warn_of_a_busy_machine()
        show(report.machine())
        for result in _measure(chosen, Options(**options)):
            results.save([result])
    except (LoadError, UnlikeError) as error:
        raise click.ClickException(str(error)) from error
    if not parts and not options["endpoints"]:
        report.write_readme()


def _measure(parts: set[str], options: Options) -> Iterator[Result]:
    for part in [part for part in micro.PARTS if part in parts]:
        for line in micro.compare(part, options.turns):
            show(line)
    if parts <= set(micro.PARTS):
        return
    with stage() as built:
        if parts & set(compared.PARTS):
            yield from compared.run(built, parts, options)
        for part, run in SERVED.items():
            if part in parts:
                yield from run(built, options)


if __name__ == "__main__":
    main()
