"""Compare the first page of a camera's records with a deep page, reached by a `Link`."""

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.request import urlopen

from benchmarks import comparison, results
from benchmarks.options import Options
from benchmarks.report import show
from benchmarks.results import Result
from benchmarks.stage import Server, Stage
from benchmarks.subjects import CANARY
from benchmarks.world import BUSY_CAMERA, CAMERAS

ENDPOINT = "records.detection_records"
FIRST = f"/api/v1/records/detection-records/{CAMERAS[0]}"
PAGE = 100
DEEPEST = 1_000_000


def run(stage: Stage, options: Options) -> Iterator[Result]:
    """Measure both pages; the depth is a million, or 90% of the records of the busiest camera."""
    world = stage.world(options.world)
    depth = min(DEEPEST, int(world.rows * BUSY_CAMERA * 0.9))
    with stage.serving(CANARY, world) as server:
        paths = {"first-page": FIRST, "deep-page": _after(server, depth)}
        targets = {part: replace(server, paths={ENDPOINT: [path]}) for part, path in paths.items()}
        taken = comparison.take_turns(targets, ENDPOINT, options.turns, options.seconds)
    show(f"deep pages, {world.rows:,} rows, {options.turns} turns")
    for part, loads in taken.items():
        result = Result.of(part, CANARY.server, ENDPOINT, world.rows, loads)
        show(str(result))
        yield result
    share = results.ratio(taken["deep-page"], taken["first-page"], "p50_ms")
    show(f"  a page at depth {depth:,} takes {share:.2f}x the first page's time")


def _after(server: Server, depth: int) -> str:
    """Return the path of the page after `depth` records, from the `Link` of the page before."""
    before = f"{FIRST}?limit={PAGE}&offset={depth - PAGE}"
    with urlopen(f"http://127.0.0.1:{server.port}{before}") as response:
        link = re.fullmatch(r'<(.*)>; rel="next"', response.headers["Link"])
    assert link is not None
    return link[1]
