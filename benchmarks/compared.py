"""Compare the parts that answer the seven endpoints with the canary."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

from benchmarks import comparison, results
from benchmarks.comparison import Target
from benchmarks.limit import Limit
from benchmarks.load import Load
from benchmarks.options import Options
from benchmarks.report import show
from benchmarks.results import Result
from benchmarks.stage import Stage
from benchmarks.subjects import SUBJECTS

PARTS = ("limit", *dict.fromkeys(subject.part for subject in SUBJECTS))
OF_A_SERVER = {"domain", "canary-cached", "bare-flask"}
"""These parts are only compared with the canary under the same server."""
PGBENCH = ("limit", "pgbench")
Name = tuple[str, str]
"""A part and its server."""


def run(stage: Stage, parts: set[str], options: Options) -> Iterator[Result]:
    """Measure `parts` and the canary; print each result."""
    world = stage.world(options.world)
    subjects = [s for s in SUBJECTS if s.part == "canary" or s.part in parts]
    with ExitStack() as stack:
        servers = [stack.enter_context(stage.serving(subject, world)) for subject in subjects]
        comparison.require_alike(servers)
        targets: dict[Name, Target] = {(s.subject.part, s.subject.server): s for s in servers}
        if "limit" in parts:
            targets[PGBENCH] = Limit(stage.pgbench, world, stage.folder)
        taken = {}
        for endpoint in options.endpoints or servers[0].paths:
            show(f"{endpoint}, {world.rows:,} rows, {options.turns} turns")
            taken[endpoint] = comparison.take_turns(
                targets, endpoint, options.turns, options.seconds
            )
            for name, loads in taken[endpoint].items():
                result = Result.of(*name, endpoint, world.rows, loads)
                show(str(result))
                yield result
    for name in targets:
        if name[0] == "canary":
            _print_ratios(name, taken)


def _print_ratios(ours: Name, taken: Mapping[str, Mapping[Name, Sequence[Load]]]) -> None:
    """Print the requests per second of one canary, divided by those of each other target."""
    table: dict[str, list[float]] = {}
    for loads in taken.values():
        for name, theirs in loads.items():
            if name != ours and (name[1] == ours[1] or name[0] not in OF_A_SERVER):
                ratio = results.ratio(loads[ours], theirs, "requests_per_s")
                table.setdefault("{} ({})".format(*name), []).append(ratio)
    show(results.ratios("{} ({}) divided by".format(*ours), list(taken), table))
