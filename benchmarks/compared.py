"""The parts that answer the seven endpoints, against the canary."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

from benchmarks import comparison, results
from benchmarks.comparison import Asked
from benchmarks.limit import Limit
from benchmarks.load import Load
from benchmarks.options import Options
from benchmarks.report import tell
from benchmarks.results import Result
from benchmarks.stage import Stage
from benchmarks.subjects import SUBJECTS

PARTS = ("limit", *dict.fromkeys(subject.part for subject in SUBJECTS))
OF_A_SERVER = {"domain", "canary-cached", "bare-flask"}
"""Compared with the canary under the same server only."""
PGBENCH = ("limit", "pgbench")
Name = tuple[str, str]
"""A part and its server."""


def run(stage: Stage, parts: set[str], options: Options) -> Iterator[Result]:
    """Measure `parts` and the canary; print as it goes."""
    world = stage.world(options.world)
    subjects = [s for s in SUBJECTS if s.part == "canary" or s.part in parts]
    with ExitStack() as stack:
        servers = [stack.enter_context(stage.serving(subject, world)) for subject in subjects]
        comparison.require_alike(servers)
        asked: dict[Name, Asked] = {(s.subject.part, s.subject.server): s for s in servers}
        if "limit" in parts:
            asked[PGBENCH] = Limit(stage.pgbench, world, stage.folder)
        taken = {}
        for endpoint in options.endpoints or servers[0].paths:
            tell(f"{endpoint}, {world.rows:,} rows, {options.turns} turns")
            taken[endpoint] = comparison.take_turns(asked, endpoint, options.turns, options.seconds)
            for name, loads in taken[endpoint].items():
                result = Result.of(*name, endpoint, world.rows, loads)
                tell(str(result))
                yield result
    for name in asked:
        if name[0] == "canary":
            _print_ratios(name, taken)


def _print_ratios(ours: Name, taken: Mapping[str, Mapping[Name, Sequence[Load]]]) -> None:
    """What one canary does in a second, divided by what each of the others does."""
    table: dict[str, list[float]] = {}
    for loads in taken.values():
        for name, theirs in loads.items():
            if name != ours and (name[1] == ours[1] or name[0] not in OF_A_SERVER):
                found = results.ratio(loads[ours], theirs, "requests_per_s")
                table.setdefault("{} ({})".format(*name), []).append(found)
    tell(results.ratios("{} ({}) divided by".format(*ours), list(taken), table))
