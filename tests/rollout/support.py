"""Runs, windows and evidence for the tests of the gates, in one line each."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from detection_api.canary.state.histogram import bin_of
from detection_api.canary.state.ledger import Tally
from detection_api.canary.state.types import (
    EventKind,
    Heartbeat,
    LedgerRow,
    RolloutEvent,
    RolloutState,
    Shared,
    Worker,
)
from detection_api.rollout.gates.evidence import EndpointSnapshot, Evidence, Window
from detection_api.rollout.gates.measurement import Gathered, measure
from detection_api.rollout.run import Plan, Run, evidence

ENDPOINT = "records.violation"
OTHER = "statistics.daily"
SINCE = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
CONTRACT = ("$.rows:empty", "$.rows:items")
EPOCH = 3


def run_of(plan: Plan) -> Run:
    """A run that has just begun by this plan."""
    start = RolloutEvent(
        endpoint="*", kind=EventKind.START, by="ann", reason="", evidence=evidence(plan), id=7
    )
    return Run.begun(start)


def ms(count: int, milliseconds: float) -> dict[int, int]:
    """A histogram of so many runs that took so long."""
    return {bin_of(milliseconds / 1000): count} if count else {}


def row(
    seconds: float, *, arm: str = "domain", endpoint: str = ENDPOINT, **counts: Any
) -> LedgerRow:
    """What was counted in the bucket that began so many seconds into the stage."""
    bucket = SINCE + timedelta(seconds=seconds)
    return LedgerRow(bucket=bucket, endpoint=endpoint, arm=arm, tally=Tally(**counts))


def healthy(requests: int = 1000) -> list[LedgerRow]:
    """A minute in which both arms answered so many requests, and a tenth was compared."""
    counts: dict[str, Any] = {"requests": requests, "good": requests, "latency": ms(requests, 5)}
    return [
        row(10, **counts, compared=requests // 10),
        row(10, arm="legacy", **counts, shadow=ms(requests // 10, 5)),
    ]


WINDOW = Window(
    endpoint=ENDPOINT,
    percent=50,
    percent_before=25,
    since=SINCE,
    epoch=EPOCH,
    before=EndpointSnapshot(branches={}, mismatches=()),
)
WORKER = Worker(
    heartbeat=Heartbeat(
        worker="w1", uptime=60, epochs={ENDPOINT: EPOCH}, totals={}, vitals={"memory_bytes": 5e7}
    ),
    silent=0.5,
)
HEALTHY = Gathered(
    at=SINCE + timedelta(seconds=60),
    shared=Shared(states={ENDPOINT: RolloutState(endpoint=ENDPOINT, percent=50)}, accepted=()),
    workers=(WORKER,),
    rows=healthy(),
    mismatches=(),
    branches={(ENDPOINT, branch): 50 for branch in CONTRACT},
    events=(),
)
PLAN = Plan(endpoints={ENDPOINT: 0.0}, bake=60, min_comparisons=30, without_verification=True)


def measured(window: Window = WINDOW, /, **gathered: Any) -> Evidence:
    """What is measured after a healthy minute, but for what is said here."""
    return measure(replace(HEALTHY, **gathered), window, CONTRACT)
