"""Runs in the past, and their reports."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from detection_api.canary.state.postgres.store import PostgresStore
from detection_api.canary.state.types import AcceptedDifference, EventKind, Mismatch
from detection_api.db.pool import Pool, bound_waits
from detection_api.rollout import run as runs
from detection_api.rollout.report import RENDERERS, assemble, read
from tests.rollout.history import History, ago
from tests.rollout.report.past_run import BRANCHES, PastRun, Trouble

HOSTILE = "<script>alert(1)</script>|`x`\n[a](http://evil.example)<img src=x onerror=alert(2)>"
ACCEPTED = AcceptedDifference(
    endpoint="records.violation",
    path="$",
    kind="status",
    reason="legacy sees the newest 1,000 only",
    by="ann",
    expires_at=ago(days=-30),
    id=1,
)
DIFFERS = Mismatch(
    endpoint="statistics.events",
    path="$.events[*].timestamp",
    kind="type",
    count=31,
    accepted=2,
    first_seen=ago(hours=1),
    last_seen=ago(hours=1),
    samples=[{"request_id": "2f0a1c", "at": "$.events[0].timestamp"}, {"request_id": HOSTILE}],
)


@dataclass(frozen=True)
class Reported:
    """A run and its reports."""

    run: PastRun

    def show(self, form: str = "md", language: str = "en") -> str:
        """Return the report of the run."""
        store = self.run.store
        found = runs.load(store, self.run.id)
        assert found is not None
        return RENDERERS[form](assemble(read(store, found)), language)

    def data(self, language: str = "en") -> dict[str, Any]:
        """Return the JSON report as data."""
        found: dict[str, Any] = json.loads(self.show("json", language))
        return found


Make = Callable[..., PastRun]


@pytest.fixture(scope="session")
def history(migrated_database: Callable[[str], str]) -> Iterator[History]:
    """Yield a database for the runs of all tests. Each run has its own hour."""
    url = migrated_database("reports")
    bound_waits()
    pool = Pool(url, size=1, deadline=30, name="tests", settings={})
    yield History(url, PostgresStore(pool.connection))
    pool.dispose()


@pytest.fixture(scope="session")
def make(history: History) -> Make:
    """Return a function that starts a run in an hour of its own."""
    hours = itertools.count(2)
    return lambda **plan: PastRun(history, hours=next(hours), **plan)


@pytest.fixture(scope="session")
def healthy(make: Make) -> Reported:
    """Return a run whose seven endpoints went from 0 to 100%."""
    return Reported(make(accepted=[ACCEPTED]).go().end())


@pytest.fixture(scope="session")
def broken(make: Make) -> Reported:
    """Return a run with a failure, a difference, an endpoint left behind and an untested branch."""
    run = make(
        trouble={
            "statistics.daily": Trouble(stage=2, failures={"errors": 5, "timeouts": 3}),
            "statistics.events": Trouble(stage=1, mismatches=[DIFFERS]),
            "cameras.cameras": Trouble(stage=3, leave="changed"),
            "records.violation": Trouble(stage=2, branches=BRANCHES[:1]),
        },
    ).go()
    warned = run.began + timedelta(seconds=100)
    run.history.event("statistics.daily", EventKind.WARN, warned, by="guard", reason=HOSTILE)
    return Reported(run.end())


@pytest.fixture(params=("healthy", "broken"))
def reported(request: pytest.FixtureRequest) -> Reported:
    """Return a healthy run, then a broken one."""
    found: Reported = request.getfixturevalue(request.param)
    return found
