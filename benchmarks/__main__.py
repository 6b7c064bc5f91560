"""`python -m benchmarks [PART ...]`: run all parts, or those named, and print tables."""

from collections.abc import Callable, Iterator
from typing import Any

import click

from benchmarks import compared, deep_pages, growth, ingestion, load, memory, micro, results
from benchmarks.load import LoadError
from benchmarks.options import ROWS, Options
from benchmarks.results import Result
from benchmarks.stage import Stage, stage
from detection_api import logs

SERVED: dict[str, Callable[[Stage, Options], Iterator[Result]]] = {
    "growth": growth.run,
    "deep-pages": deep_pages.run,
    "ingestion": ingestion.run,
    "memory": memory.run,
}
PARTS = (*compared.PARTS, *SERVED, *micro.PARTS)


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--rows", type=click.Choice(list(ROWS)), default="1M", help="Size of the world.")
@click.option("--turns", type=click.IntRange(1), default=5, help="Turns that each thing takes.")
@click.option("--seconds", type=click.IntRange(1), default=2, help="Length of a turn.")
@click.option("--endpoint", "endpoints", multiple=True, help="Only this endpoint; repeatable.")
@click.option("--lines", type=click.IntRange(1), default=1_000_000, help="Lines to ingest.")
@click.option(
    "--requests", type=click.IntRange(1), default=100_000, help="Requests of the memory part."
)
def main(parts: tuple[str, ...], **options: Any) -> None:
    """Measure PARTS, or all of them; what was found goes to benchmarks/results.json, too.

    \b
    Example:
      python -m benchmarks peer-fastapi peer-fastapi-tuned --rows 100k
    """
    logs.configure("WARNING")
    chosen = set(parts or PARTS)
    for part in [part for part in micro.PARTS if part in chosen]:
        for line in micro.compare(part, options["turns"]):
            click.echo(line)
    try:
        if served := chosen - set(micro.PARTS):
            load.require_wrk()
            with stage() as built:
                results.save(_measure(built, served, Options(**options)))
    except LoadError as error:
        raise click.ClickException(str(error)) from error


def _measure(built: Stage, parts: set[str], options: Options) -> Iterator[Result]:
    if parts & set(compared.PARTS):
        yield from compared.run(built, parts, options)
    for part, run in SERVED.items():
        if part in parts:
            yield from run(built, options)


if __name__ == "__main__":
    main()
