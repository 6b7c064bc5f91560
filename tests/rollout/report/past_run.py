"""A rollout run in the past: its events, and the counts of its workers."""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from detection_api.canary.state.histogram import bin_of
from detection_api.canary.state.ledger import LedgerBatch, Tally
from detection_api.canary.state.types import (
    AcceptedDifference,
    EventKind,
    Heartbeat,
    Mismatch,
    RolloutState,
    Shared,
    Worker,
)
from detection_api.rollout.gates import judge, verification
from detection_api.rollout.gates.evidence import EndpointSnapshot, Window
from detection_api.rollout.gates.measurement import Gathered, measure
from detection_api.rollout.run import Plan, evidence
from tests.rollout.history import History, ago

ENDPOINTS = (
    "cameras.camera_stats",
    "cameras.cameras",
    "records.detection_records",
    "records.violation",
    "statistics.daily",
    "statistics.events",
    "statistics.history",
)
BRANCHES = ("$.rows:empty", "$.rows:items")
STAGES = (10, 25, 50, 100)
WORKERS = tuple(
    Worker(
        heartbeat=Heartbeat(
            worker=f"host:{n}",
            uptime=3600.0,
            epochs=dict.fromkeys(ENDPOINTS, 1),
            totals={},
            vitals={
                "memory_bytes": (60 + n) * 2**20,
                "pool_domain_in_use": 1,
                "pool_domain_idle": 2,
            },
        ),
        silent=0.5,
    )
    for n in (1, 2)
)
PER_BUCKET = 40
"""Requests of each endpoint in 10 seconds."""


@dataclass(kw_only=True)
class Trouble:
    """A problem of an endpoint, from the stage of this number on."""

    stage: int
    failures: Mapping[str, int] = field(default_factory=dict)
    """Failures in each bucket of that stage, by the names of the ledger's counts."""
    mismatches: Sequence[Mismatch] = ()
    branches: Collection[str] = BRANCHES
    leave: str = ""
    """The cause for which the run leaves the endpoint behind; empty if it does not."""


class PastRun:
    """Writes the events and counts of a run that began `hours` ago."""

    def __init__(
        self,
        history: History,
        *,
        hours: float = 2,
        endpoints: Sequence[str] = ENDPOINTS,
        bake: int = 60,
        trouble: Mapping[str, Trouble] | None = None,
        accepted: Sequence[AcceptedDifference] = (),
        **plan: Any,
    ) -> None:
        self.store, self.history = history.store, history
        self.began = datetime.fromtimestamp(ago(hours=hours).timestamp() // 10 * 10, UTC)
        self.plan = Plan(
            endpoints=dict.fromkeys(endpoints, 0.0), bake=bake, min_requests=20, **plan
        )
        self.trouble = trouble or {}
        self.accepted = accepted
        self.random = random.Random(20261125)
        self.id = history.event(
            "*", EventKind.START, self.began, evidence(self.plan), reason="release 1.4"
        )
        self.now = self.began + timedelta(seconds=5)
        self.open = list(endpoints)
        self.percent = dict.fromkeys(endpoints, 0.0)

    def go(self, stages: int = len(STAGES)) -> "PastRun":
        """Write the first `stages` stages."""
        for number in range(1, stages + 1):
            self.stage(number)
        return self

    def stage(self, number: int) -> None:
        """Write one stage of every endpoint still in the run, and its decision."""
        opened = {endpoint: self.open_stage(endpoint, number) for endpoint in self.open}
        begun, baked = self.now, self.now + timedelta(seconds=self.plan.bake)
        first = begun.timestamp() // 10 * 10 + 10
        while first < baked.timestamp():
            self._count(number, datetime.fromtimestamp(first, UTC))
            first += 10
        self.now = baked
        for endpoint, event in opened.items():
            self._decide(endpoint, number, event, begun)

    def end(self, completion: str = "", **outcome: str) -> "PastRun":
        """Write the END of the run."""
        trouble = {e for e, t in self.trouble.items() if t.failures or t.mismatches or t.leave}
        outcomes = {
            endpoint: {
                "phase": "done" if endpoint in self.open else "failed",
                "stage": 4,
                "percent": self.percent[endpoint],
                "status": "active",
                "reason": "",
                **outcome,
            }
            for endpoint in self.plan.endpoints
        }
        result = completion or ("incomplete" if trouble else "complete")
        facts = {"completion": result, "outcomes": outcomes}
        self.history.event("*", EventKind.END, self.now, facts, run=self.id, reason=result)
        return self

    def open_stage(self, endpoint: str, number: int) -> int:
        """Write that an endpoint entered a stage, and return the event's id."""
        facts = {
            "stage": number,
            "percent": self.plan.percent(number),
            "percent_before": self.percent[endpoint],
            "before": evidence(EndpointSnapshot(branches={}, mismatches=())),
        }
        self.percent[endpoint] = self.plan.percent(number)
        reason = f"stage {number} of {len(STAGES)}"
        return self._event(endpoint, EventKind.STAGE, facts, reason)

    def _event(self, endpoint: str, kind: EventKind, facts: Mapping[str, Any], reason: str) -> int:
        return self.history.event(endpoint, kind, self.now, facts, run=self.id, reason=reason)

    def _count(self, number: int, bucket: datetime) -> None:
        tallies = {}
        for endpoint in self.plan.endpoints:
            share = self.percent[endpoint] / 100
            domain = round(PER_BUCKET * share)
            tallies[endpoint, "domain"] = self._tally(domain, 0.012, compared=domain // 4)
            tallies[endpoint, "legacy"] = self._tally(PER_BUCKET - domain, 0.015)
            tallies[endpoint, "legacy"].shadow = self._latencies(domain // 4, 0.015)
        for endpoint, trouble in self.trouble.items():
            if trouble.stage != number or endpoint not in self.open:
                continue
            tallies[endpoint, "domain"].mismatched = min(
                len(trouble.mismatches), tallies[endpoint, "domain"].compared
            )
            if trouble.failures:
                self._fail(tallies[endpoint, "domain"], tallies[endpoint, "legacy"], trouble)
        self.history.flush(LedgerBatch(0, tallies=tallies), bucket)

    def _fail(self, domain: Tally, legacy: Tally, trouble: Trouble) -> None:
        count = sum(trouble.failures.values())
        for name, failures in trouble.failures.items():
            setattr(domain, name, failures)
        domain.bad, domain.good = count, domain.good - count
        legacy.fallbacks = count

    def _tally(self, requests: int, seconds: float, **counts: Any) -> Tally:
        found = requests // 20
        return Tally(
            requests=requests,
            good=requests,
            client_errors=found,
            latency=self._latencies(requests, seconds),
            **counts,
        )

    def _latencies(self, count: int, seconds: float) -> dict[int, int]:
        found: dict[int, int] = {}
        for _ in range(count):
            index = bin_of(self.random.lognormvariate(0, 0.4) * seconds)
            found[index] = found.get(index, 0) + 1
        return found

    def _decide(self, endpoint: str, number: int, event: int, since: datetime) -> None:
        trouble = self.trouble.get(endpoint)
        if trouble is not None and number < trouble.stage:
            trouble = None
        facts = self._facts(endpoint, number, event, since, trouble)
        if not trouble or not (trouble.failures or trouble.mismatches or trouble.leave):
            self._event(endpoint, EventKind.PASS, facts, f"passed stage {number}")
            return
        self.open.remove(endpoint)
        if trouble.leave:
            self._event(endpoint, EventKind.LEAVE, {**facts, "cause": trouble.leave}, "ann set 5%")
            return
        back_to = self.plan.percent_passed(endpoint, number)
        self.percent[endpoint] = back_to
        self._event(
            endpoint, EventKind.FAIL, {**facts, "percent": back_to}, f"failed stage {number}"
        )

    def _facts(
        self, endpoint: str, number: int, event: int, since: datetime, trouble: Trouble | None
    ) -> dict[str, Any]:
        percent = self.percent[endpoint]
        window = Window(
            endpoint=endpoint,
            percent=percent,
            percent_before=0,
            since=since,
            epoch=1,
            before=EndpointSnapshot(branches={}, mismatches=()),
        )
        branches = trouble.branches if trouble else BRANCHES
        gathered = Gathered(
            at=self.now,
            shared=Shared(
                states={endpoint: RolloutState(endpoint=endpoint, percent=percent)},
                accepted=tuple(self.accepted),
            ),
            workers=WORKERS,
            rows=self.store.ledger(since, self.now),
            mismatches=trouble.mismatches if trouble else (),
            branches={(endpoint, branch): 40 for branch in branches},
            events=(),
        )
        found = measure(gathered, window, BRANCHES)
        if trouble and trouble.failures:
            guard = replace(found.guard, verdict="rollback", on=("failing",))
            found = replace(found, guard=guard)
        gates = judge(found, self.plan)
        return {
            "stage": number,
            "percent": percent,
            "evidence": evidence(found),
            "gates": evidence((*gates, verification(self.plan, ()))),
        }
