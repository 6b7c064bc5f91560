"""`python -m tests.corpus`: roll out every domain of the corpus, and print what came of it."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from statistics import median

import click

from detection_api.telemetry import logs
from tests.corpus import processes
from tests.corpus.case import Case, Outcome, complaints
from tests.corpus.domains import CASES
from tests.corpus.simulation import Simulation

HEADER = "kind | case | caught by | after | wrong | lost | kept | verdict"
Row = tuple[Case, Outcome]


def roll_out(number: int, seed: int) -> Outcome:
    """Return what came of the case with this number."""
    logs.configure("CRITICAL")
    return Simulation(CASES[number], seed).run()


@click.command()
@click.argument("names", nargs=-1)
@click.option("--seed", default=1, help="Another seed draws other clients and other random faults.")
@click.option("--jobs", default=2, help="Processes at work at the same time.")
def main(names: tuple[str, ...], seed: int, jobs: int) -> None:
    """Roll out all wrong domains and healthy controls, or those whose kind or case has NAMES in it.

    `after` counts requests from the first wrong or lost answer until the domain was stopped, or all
    requests if no client got a wrong answer. `wrong` counts the wrong answers that clients got,
    `lost` the requests without an answer, `kept` is the percent that the domain has in the end.
    Ends with 1 if a wrong domain passes or a healthy one does not.

    \b
    Example:
      python -m tests.corpus "some requests" "race"
    """
    rows: list[Row] = []
    click.echo(HEADER)
    started = time.monotonic()
    for row in chain(_simulated(names, seed, jobs), _processes(names)):
        rows.append(row)
        click.echo(line(*row))
    click.echo(f"\n{time.monotonic() - started:.0f} s")
    for text in summary(rows):
        click.echo(text)
    sys.exit(any(complaints(*row) for row in rows))


def _simulated(names: Sequence[str], seed: int, jobs: int) -> Iterator[Row]:
    """Yield the simulated cases and what came of them."""
    chosen = [n for n, case in enumerate(CASES) if _is_named(case, names)]
    with ProcessPoolExecutor(jobs) as pool:
        outcomes = pool.map(partial(roll_out, seed=seed), chosen)
        yield from zip((CASES[number] for number in chosen), outcomes, strict=True)


def _processes(names: Sequence[str]) -> Iterator[Row]:
    """Yield the cases that need a gunicorn, one after the other."""
    chosen = [case for case in processes.CASES if _is_named(case, names)]
    if not chosen:
        return
    logs.configure("CRITICAL")
    with processes.serving() as fleet:
        for case in chosen:
            yield case, processes.roll_out(fleet, case)


def _is_named(case: Case, names: Sequence[str]) -> bool:
    return not names or any(name in f"{case.kind.value} {case.name}" for name in names)


def line(case: Case, outcome: Outcome) -> str:
    """Return a case's row of the table."""
    verdict = "; ".join(complaints(case, outcome)) or "ok"
    cells = (
        f"{case.kind.value:15}",
        f"{case.name:48}",
        f"{outcome.caught_by:12}",
        f"{outcome.requests:6}",
        f"{outcome.wrong:5}",
        f"{outcome.lost:4}",
        f"{outcome.kept:4g}",
        verdict,
    )
    return " | ".join(cells)


def summary(rows: Iterable[Row]) -> list[str]:
    """Return the median and the largest number of wrong answers by kind, and the failures."""
    by_kind: dict[str, list[Row]] = {}
    for case, outcome in rows:
        by_kind.setdefault(case.kind.value, []).append((case, outcome))
    texts = ["kind | cases | failed | wrong answers that clients got: median, largest"]
    for kind, found in by_kind.items():
        wrong = [outcome.wrong for _, outcome in found]
        failed = sum(bool(complaints(*row)) for row in found)
        texts.append(f"{kind:15} | {len(found):3} | {failed:3} | {median(wrong):g}, {max(wrong)}")
    return texts


if __name__ == "__main__":
    main()
