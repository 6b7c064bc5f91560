"""What the canary costs: the same routes with it and without, two servers at a time.

A few percent are less than two turns of one server differ by. So turns are short and many, and
the servers go first in turns.
"""

import statistics
from collections.abc import Iterator

from benchmarks import comparison, results
from benchmarks.options import Options
from benchmarks.report import tell
from benchmarks.results import Result
from benchmarks.stage import Stage
from benchmarks.subjects import CANARY, SHADOWED, UNDECORATED, Subject

PART = UNDECORATED.part
TURNS = 3
"""For each that is asked for; they last a second each."""
SECONDS = 1


def run(stage: Stage, options: Options) -> Iterator[Result]:
    """Measure the canary, and then the canary with comparisons, beside the undecorated routes."""
    for subject in (CANARY, SHADOWED):
        yield from _beside(stage, options, subject)


def _beside(stage: Stage, options: Options, subject: Subject) -> Iterator[Result]:
    world, turns = stage.world(options.world), options.turns * TURNS
    middles = []
    with (
        stage.serving(subject, world) as canaried,
        stage.serving(UNDECORATED, world) as undecorated,
    ):
        asked = {subject.part: canaried, PART: undecorated}
        comparison.require_alike([canaried, undecorated])
        tell(f"{subject.part} by {PART}, {world.rows:,} rows, {turns} turns")
        for endpoint in options.endpoints or canaried.paths:
            taken = comparison.take_turns(asked, endpoint, turns, SECONDS)
            shares = results.shares(taken[subject.part], taken[PART], "requests_per_s")
            low, middle, high = statistics.quantiles(shares, n=4)
            middles.append(middle)
            tell(f"  {endpoint:<28}{middle:.3f}x, half of the turns {low:.3f}x to {high:.3f}x")
            kept = PART if subject is CANARY else subject.part
            yield Result.of(kept, subject.server, endpoint, world.rows, taken[kept])
    tell(f"  {'geometric mean':<28}{statistics.geometric_mean(middles):.3f}x")
