"""`python -m benchmarks [PART ...]`: run all parts, or those named, and print tables."""

from collections.abc import Iterator

import click

from benchmarks import compared, ingestion, load, micro, results
from benchmarks.load import LoadError
from benchmarks.results import Result
from benchmarks.stage import Stage, stage
from detection_api import logs

PARTS = (*compared.PARTS, "ingestion", *micro.PARTS)
ROWS = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000, "10M": 10_000_000}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--rows", type=click.Choice(list(ROWS)), default="1M", help="Size of the world.")
@click.option("--turns", type=click.IntRange(1), default=5, help="Turns that each thing takes.")
@click.option("--seconds", type=click.IntRange(1), default=2, help="Length of a turn.")
@click.option("--endpoint", "endpoints", multiple=True, help="Only this endpoint; repeatable.")
def main(
    parts: tuple[str, ...], rows: str, turns: int, seconds: int, endpoints: tuple[str, ...]
) -> None:
    """Measure PARTS, or all of them; what was found goes to benchmarks/results.json, too.

    \b
    Example:
      python -m benchmarks peer-fastapi peer-fastapi-tuned --rows 100k
    """
    logs.configure("WARNING")
    chosen = set(parts or PARTS)
    for part in [part for part in micro.PARTS if part in chosen]:
        for line in micro.compare(part, turns):
            click.echo(line)
    if "ingestion" in chosen:
        click.echo(ingestion.report())
    try:
        if served := chosen & set(compared.PARTS):
            load.require_wrk()
            with stage() as built:
                results.save(_measure(built, served, ROWS[rows], turns, seconds, endpoints))
    except LoadError as error:
        raise click.ClickException(str(error)) from error


def _measure(
    built: Stage, parts: set[str], rows: int, turns: int, seconds: int, endpoints: tuple[str, ...]
) -> Iterator[Result]:
    yield from compared.run(built, parts, rows, turns, seconds, endpoints)


if __name__ == "__main__":
    main()
