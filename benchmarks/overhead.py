"""Measure the cost of the canary: the same routes with it and without it, on two servers.

Two turns of one server differ by more than a few percent. So there are many short turns, and the
servers alternate in going first.
"""

import statistics
from collections.abc import Iterator, Mapping

from benchmarks import comparison, results
from benchmarks.options import Options
from benchmarks.report import show
from benchmarks.results import Result
from benchmarks.stage import Stage
from benchmarks.subjects import CANARY, SHADOWED, UNDECORATED, Subject

TURNS = 3
"""Number of turns for each turn in the options; each lasts SECONDS."""
SECONDS = 1
PARTS: Mapping[str, Subject] = {UNDECORATED.part: CANARY, SHADOWED.part: SHADOWED}
"""The subject that is compared with the undecorated routes, by part."""


def run(stage: Stage, options: Options, subject: Subject) -> Iterator[Result]:
    """Measure the canary, or the canary with comparisons, beside the undecorated routes."""
    world, turns = stage.world(options.world), options.turns * TURNS
    middles = []
    with (
        stage.serving(subject, world) as canaried,
        stage.serving(UNDECORATED, world) as undecorated,
    ):
        targets = {subject.part: canaried, UNDECORATED.part: undecorated}
        comparison.require_alike([canaried, undecorated])
        show(f"{subject.part} by {UNDECORATED.part}, {world.rows:,} rows, {turns} turns")
        for endpoint in options.endpoints or canaried.paths:
            if subject is SHADOWED:
                canaried.wait_for_eager_comparisons(endpoint)
            taken = comparison.take_turns(targets, endpoint, turns, SECONDS)
            shares = results.shares(taken[subject.part], taken[UNDECORATED.part], "requests_per_s")
            low, middle, high = statistics.quantiles(shares, n=4)
            middles.append(middle)
            show(f"  {endpoint:<28}{middle:.3f}x, half of the turns {low:.3f}x to {high:.3f}x")
            kept = UNDECORATED.part if subject is CANARY else subject.part
            yield Result.of(kept, subject.server, endpoint, world.rows, taken[kept])
    show(f"  {'geometric mean':<28}{statistics.geometric_mean(middles):.3f}x")
