"""Domains that end their process, in a real gunicorn with 2 workers.

The endpoint stands at 50%. Clients ask until it is rolled back, at most for LONGEST seconds, or
until MOST_LOST requests got no answer.
"""

import http.client
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detection_api.canary import Status
from detection_api.canary.state import EventKind
from detection_api.dev.embedded import EmbeddedValkey
from tests.clusters import Clusters
from tests.corpus.case import AFTER, Case, Kind, Outcome
from tests.corpus.ending import FAULTS
from tests.e2e.fleet import Fleet
from tests.factory import build

ENDPOINT = "records.violation"
PATH = "/api/v1/records/violations/1"
PERCENT = 50.0
LONGEST = 120.0
MOST_LOST = 14
"""Requests that get no answer before a case is over: twice as many as the guard needs."""
PAUSE = 0.05
"""Seconds between two requests."""
UNSEEN = "a worker that dies tells nothing"

CASES = tuple(
    Case(
        kind=Kind.CRASH,
        name=name,
        endpoint=ENDPOINT,
        runs=False,
        stops_by=AFTER,
        starts_at=PERCENT,
        missed=UNSEEN,
    )
    for name in FAULTS
)


@contextmanager
def serving() -> Iterator[Fleet]:
    """An instance with databases of its own, for the time within."""
    with tempfile.TemporaryDirectory(prefix="corpus") as name:
        folder = Path(name)
        postgres = Clusters(folder).create(folder / "postgres")
        valkey = EmbeddedValkey(folder / "valkey")
        try:
            environ = build(folder, postgres.start(), valkey.start())
            settings = {**environ, "WEB_CONCURRENCY": "2", "SHADOW_PERCENT": "10"}
            with Fleet(folder, settings, "tests.corpus.ending_wsgi:app", "instance") as fleet:
                yield fleet
        finally:
            valkey.stop()
            postgres.stop()


def roll_out(fleet: Fleet, case: Case) -> Outcome:
    """Return what comes of a case that begins now."""
    fleet.reset(PERCENT)
    requests = lost = 0
    fleet.break_domain(case.name)
    ends = time.monotonic() + LONGEST
    while not _is_rolled_back(fleet) and time.monotonic() < ends and lost < MOST_LOST:
        requests += 1
        try:
            lost += fleet.get(PATH, X_Client_Id=f"client-{requests}").status != 200
        except (OSError, http.client.HTTPException):
            lost += 1
        time.sleep(PAUSE)
    fleet.mend()
    state = fleet.states()[ENDPOINT]
    found = [event for event in fleet.events(ENDPOINT, EventKind.ROLLBACK) if event.by != "ann"]
    return Outcome(
        passed=(),
        kept=0.0 if state.status is Status.ROLLED_BACK else state.percent,
        caught_by=str(found[0].evidence.get("signal", "")) if found else "nothing",
        requests=requests,
        wrong=0,
        lost=lost,
    )


def _is_rolled_back(fleet: Fleet) -> bool:
    return fleet.states()[ENDPOINT].status is Status.ROLLED_BACK
