"""The parts that answer the seven endpoints, against the canary."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import click

from benchmarks import comparison, results
from benchmarks.comparison import Asked, Turns
from benchmarks.limit import Limit
from benchmarks.options import Options
from benchmarks.results import Result
from benchmarks.stage import Stage
from benchmarks.subjects import SUBJECTS, Subject

PARTS = ("limit", *dict.fromkeys(subject.part for subject in SUBJECTS))
PGBENCH = ("limit", "pgbench")
Name = tuple[str, str]


def run(stage: Stage, parts: set[str], options: Options) -> Iterator[Result]:
    """Measure `parts` and the canary; print as it goes."""
    world = stage.world(options.world)
    turns, seconds = options.turns, options.seconds
    subjects = [s for s in SUBJECTS if s.part == "canary" or s.part in parts]
    with ExitStack() as stack:
        found = [stack.enter_context(stage.serving(subject, world)) for subject in subjects]
        comparison.require_alike(found)
        asked: dict[Name, Asked] = {(s.subject.part, s.subject.server): s for s in found}
        if "limit" in parts:
            asked[PGBENCH] = Limit(stage.pgbench, world, stage.folder)
        taken = []
        for endpoint in options.endpoints or found[0].paths:
            taken.append(comparison.take_turns(asked, endpoint, turns, seconds))
            click.echo(f"{endpoint}, {world.rows:,} rows, {turns} turns of {seconds} s")
            for result in taken[-1].results(world.rows):
                click.echo(str(result))
                yield result
    for subject in subjects:
        if subject.part == "canary":
            _print_ratios(subject, taken, list(asked))


def _print_ratios(canary: Subject, taken: Sequence[Turns], asked: Sequence[Name]) -> None:
    """What the canary does in a second, divided by what each of the others does."""
    ours = (canary.part, canary.server)
    table = {
        f"{part} ({server})": [turns.ratio(ours, (part, server)) for turns in taken]
        for part, server in asked
        if (part, server) != ours
    }
    if table:
        endpoints = [turns.endpoint for turns in taken]
        click.echo(results.ratios(f"{canary.name} divided by", endpoints, table))
