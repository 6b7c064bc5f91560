"""The guard of the fleet: one worker, the leader, judges the counts of all workers.

The leader reads the ledger about once a second, and feeds each endpoint's guard with what has grown
since. A new leader starts from the ledger of the last minutes, so it keeps the evidence that its
predecessor had. Read `FleetGuard.lead` first.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Protocol

import structlog

from detection_api.canary.fleet.growth import Growth
from detection_api.canary.fleet.holds import Holds, is_after_change
from detection_api.canary.fleet.reasons import reason_of
from detection_api.canary.guard import Alarm, Guard, Verdict
from detection_api.canary.state import (
    EventKind,
    RolloutEvent,
    RolloutState,
    Shared,
    Store,
    effective,
)

log = structlog.get_logger(__name__)

WINDOW = timedelta(seconds=30)
"""How far back the leader looks for growth. Workers send late if the store was away."""
REPLAY = timedelta(minutes=10)
"""How much of the ledger a new leader starts from."""
PRUNE_EVERY = 3600.0
"""Seconds."""

FLEET = "guard"
"""The author of the fleet guard's changes in the audit."""

_EVENTS = {Verdict.WARN: EventKind.WARN, Verdict.HOLD: EventKind.HOLD}


class RollBack(Protocol):
    """Rolls an endpoint back in this worker and in the fleet."""

    def __call__(self, endpoint: str, *, reason: str, by: str, evidence: Mapping[str, Any]) -> None:
        """Roll `endpoint` back; `by` is the author in the audit."""


Share = Callable[[RolloutState], float]
"""Returns the share (0..1) of an endpoint's requests that the domain gets."""


class FleetGuard:
    """The work of the leader: judge, write events, and prune the ledger once an hour.

    `clock` is monotonic, in seconds; `retention` is how long the ledger is kept.
    """

    def __init__(
        self,
        store: Store,
        *,
        roll_back: RollBack,
        share: Share,
        retention: timedelta,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._roll_back = roll_back
        self._share = share
        self._retention = retention
        self._clock = clock
        self._pruned_at: float | None = None
        self.abdicate()

    def abdicate(self) -> None:
        """Forget everything: the next leader starts from the ledger."""
        self.guards: dict[str, Guard] = {}
        self._growth = Growth()
        self._holds = Holds(self._store, FLEET)
        self._resumed_at: dict[str, datetime | None] = {}
        self._leads = False

    def lead(self, shared: Shared) -> None:
        """Judge what has grown in the ledger; the first turn replays its last minutes."""
        replays = not self._leads
        rows = self._store.ledger(REPLAY if replays else WINDOW)
        self._leads = True
        self._growth.forget_all_but({row.bucket for row in rows})
        resumed = self._reset_resumed(shared, {row.endpoint for row in rows})
        for (bucket, endpoint), group in groupby(rows, key=lambda row: (row.bucket, row.endpoint)):
            state = effective(shared.states, endpoint)
            batch = self._growth.sample(group, self._share(state))
            is_old = replays and state.resumed_at is not None and bucket < state.resumed_at
            if endpoint in resumed or is_old:
                continue
            for alarm in self.guards.setdefault(endpoint, Guard()).add(batch):
                self._act(state, alarm, replays=replays)
            if batch.mismatched > 0 and (not replays or is_after_change(state, bucket)):
                self._holds.demand(endpoint, bucket)
        self._holds.turn(shared)
        self._prune()

    def _reset_resumed(self, shared: Shared, counted: set[str]) -> set[str]:
        """Replace the guards of endpoints that were resumed since the last turn; return them.

        Their growth until now is from before the resume. Later growth is not: a worker that learns
        of a resume drops the counts that it has not sent.
        """
        endpoints = {*shared.states, *self.guards, *counted}
        resumed_at = {name: effective(shared.states, name).resumed_at for name in endpoints}
        resumed = {name for name, at in resumed_at.items() if at != self._resumed_at.get(name, at)}
        self._resumed_at = resumed_at
        for endpoint in resumed:
            self.guards.pop(endpoint, None)
            self._holds.forget(endpoint)
        return resumed

    def _act(self, state: RolloutState, alarm: Alarm, *, replays: bool) -> None:
        """Roll back, or write an event; the leader before has written those of a replay."""
        verdict = alarm.signal.verdict
        if verdict is Verdict.ROLLBACK:
            self._roll_back(
                state.endpoint, reason=reason_of(alarm), by=FLEET, evidence=alarm.evidence
            )
        elif not replays:
            event = RolloutEvent(
                endpoint=state.endpoint,
                kind=_EVENTS[verdict],
                by=FLEET,
                reason=reason_of(alarm),
                epoch=state.epoch,
                evidence=alarm.evidence,
            )
            self._store.append(event)

    def _prune(self) -> None:
        now = self._clock()
        if self._pruned_at is None or now - self._pruned_at >= PRUNE_EVERY:
            self._pruned_at = now
            removed = self._store.prune(self._retention)
            log.info("ledger_pruned", rows=removed)
