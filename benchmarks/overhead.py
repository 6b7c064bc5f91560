"""What the canary costs: the same routes with it and without, two servers at a time.

A few percent are less than two turns of one server differ by. So turns are short and many, and
the servers go first in turns.
"""

import statistics
from collections.abc import Iterator, Mapping

from benchmarks import comparison, results
from benchmarks.options import Options
from benchmarks.report import tell
from benchmarks.results import Result
from benchmarks.stage import Stage
from benchmarks.subjects import CANARY, SHADOWED, UNDECORATED, Subject

TURNS = 3
"""For each that is asked for; they last a second each."""
SECONDS = 1
PARTS: Mapping[str, Subject] = {UNDECORATED.part: CANARY, SHADOWED.part: SHADOWED}
"""What is measured beside the undecorated routes, by the name of the part."""


def run(stage: Stage, options: Options, subject: Subject) -> Iterator[Result]:
    """Measure the canary, or the canary with comparisons, beside the undecorated routes."""
    world, turns = stage.world(options.world), options.turns * TURNS
    middles = []
    with (
        stage.serving(subject, world) as canaried,
        stage.serving(UNDECORATED, world) as undecorated,
    ):
        asked = {subject.part: canaried, UNDECORATED.part: undecorated}
        comparison.require_alike([canaried, undecorated])
        tell(f"{subject.part} by {UNDECORATED.part}, {world.rows:,} rows, {turns} turns")
        for endpoint in options.endpoints or canaried.paths:
            if subject is SHADOWED:
                canaried.let_news_pass(endpoint)
            taken = comparison.take_turns(asked, endpoint, turns, SECONDS)
            shares = results.shares(taken[subject.part], taken[UNDECORATED.part], "requests_per_s")
            low, middle, high = statistics.quantiles(shares, n=4)
            middles.append(middle)
            tell(f"  {endpoint:<28}{middle:.3f}x, half of the turns {low:.3f}x to {high:.3f}x")
            kept = UNDECORATED.part if subject is CANARY else subject.part
            yield Result.of(kept, subject.server, endpoint, world.rows, taken[kept])
    tell(f"  {'geometric mean':<28}{statistics.geometric_mean(middles):.3f}x")
