"""A canaried route against the same route undecorated, under gunicorn: requests a second.

Everything is on but shadow comparisons: metrics, ledger and guard. Both routes are asked in turns,
so that both meet the same machine; the figure is the median of the turns' ratios.
"""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.serving import requests_per_second, serving

TURNS = 11
SECONDS = 2.0
TWINS = (
    ("/api/v1/cameras", "/undecorated/cameras"),
    ("/api/v1/records/detection-records/cam0", "/undecorated/detection-records/cam0"),
)
EVERYTHING_ON = {"ROLLOUT_PERCENT": "100", "SHADOW_PERCENT": "0"}


@dataclass(frozen=True, slots=True)
class Share:
    """How much of the undecorated route's throughput the canaried one reaches, by turn."""

    path: str
    canaried: float
    undecorated: float
    shares: list[float]

    def __str__(self) -> str:
        low, high = min(self.shares), max(self.shares)
        return (
            f"overhead   {self.canaried:7.0f}/s against {self.undecorated:.0f}/s undecorated:"
            f" {statistics.median(self.shares):.1%} (turns {low:.1%} to {high:.1%})  {self.path}"
        )


def report() -> Iterator[Share]:
    """Each pair of twins, measured."""
    with serving("benchmarks.overhead_wsgi:app", EVERYTHING_ON) as port:
        for canaried, undecorated in TWINS:
            turns = [
                (
                    requests_per_second(port, canaried, SECONDS),
                    requests_per_second(port, undecorated, SECONDS),
                )
                for _ in range(TURNS)
            ]
            ours, others = (statistics.median(side) for side in zip(*turns, strict=True))
            yield Share(canaried, ours, others, [a / b for a, b in turns])
