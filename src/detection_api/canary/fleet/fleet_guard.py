"""The fleet's guard: one worker judges what all of them counted.

The leader reads the ledger about once a second and feeds each endpoint's guard with what has
grown since. Whoever takes over starts from the ledger of the last minutes, so that what had
been gathered against a domain is not lost with the leader that gathered it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Protocol

import structlog

from detection_api.canary.guard import Alarm, ArmSample, Guard, Sample, Signal, Verdict
from detection_api.canary.state import (
    Arm,
    EventKind,
    Histogram,
    LedgerRow,
    RolloutEvent,
    RolloutState,
    Shared,
    Store,
    Tally,
    effective,
    seconds_of,
)

log = structlog.get_logger(__name__)

WINDOW = timedelta(seconds=30)
"""How far back the leader looks for counts that have grown: workers tell late while the store
was away."""
REPLAY = timedelta(minutes=10)
"""How much of the ledger a new leader starts from."""
PRUNE_EVERY = 3600.0
"""Seconds."""

FLEET = "guard"
"""Who rolls back, in the audit, when the fleet's guard does."""

_EVENTS = {Verdict.WARN: EventKind.WARN, Verdict.HOLD: EventKind.HOLD}


class RollBack(Protocol):
    """Rolls an endpoint back in this worker and in the fleet."""

    def __call__(self, endpoint: str, *, reason: str, by: str, evidence: Mapping[str, Any]) -> None:
        """Roll `endpoint` back; `by` is the author in the audit."""


Share = Callable[[RolloutState], float]
"""The share (0..1) of an endpoint's requests that the domain gets."""


@dataclass(slots=True)
class _Seen:
    """What the leader has fed to its guards of one bucket, endpoint and arm."""

    good: int = 0
    bad: int = 0
    slow: int = 0
    latency: Histogram = field(default_factory=dict)

    def growth(self, tally: Tally) -> ArmSample:
        """What `tally` has more than was seen; it is seen from now on."""
        grown = ArmSample(
            good=tally.good - self.good,
            bad=tally.bad - self.bad,
            slow=tally.slow - self.slow,
            seconds={
                seconds_of(index): count - self.latency.get(index, 0)
                for index, count in tally.latency.items()
                if count > self.latency.get(index, 0)
            },
            request_ids=tuple(filter(None, (tally.first_failed, tally.last_failed))),
        )
        self.good, self.bad, self.slow = tally.good, tally.bad, tally.slow
        self.latency = dict(tally.latency)
        return grown


class FleetGuard:
    """What the leader does: judge, tell, and prune the ledger once an hour.

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
        """Forget everything: whoever leads next starts from the ledger."""
        self.guards: dict[str, Guard] = {}
        self._seen: dict[tuple[datetime, str, str], _Seen] = {}
        self._resumed_at: dict[str, datetime | None] = {}
        self._leads = False

    def lead(self, shared: Shared) -> None:
        """Judge what has grown in the ledger; the first turn replays its last minutes."""
        replays = not self._leads
        rows = self._store.ledger(REPLAY if replays else WINDOW)
        self._leads = True
        self._forget({row.bucket for row in rows})
        resumed = self._reset_resumed(shared, {row.endpoint for row in rows})
        for (bucket, endpoint), group in groupby(rows, key=lambda row: (row.bucket, row.endpoint)):
            state = effective(shared.states, endpoint)
            batch = self._growth(state, group)
            is_old = replays and state.resumed_at is not None and bucket < state.resumed_at
            if endpoint not in resumed and not is_old:
                for alarm in self.guards.setdefault(endpoint, Guard()).add(batch):
                    self._act(state, alarm, replays=replays)
        self._prune()

    def _reset_resumed(self, shared: Shared, counted: set[str]) -> set[str]:
        """Begin anew with endpoints that were resumed since the last turn; which they are.

        What has grown until now is from before; what a worker tells later is not, for it forgets
        what it has not told when it learns of the resume.
        """
        endpoints = {*shared.states, *self.guards, *counted}
        resumed_at = {name: effective(shared.states, name).resumed_at for name in endpoints}
        resumed = {name for name, at in resumed_at.items() if at != self._resumed_at.get(name, at)}
        self._resumed_at = resumed_at
        for endpoint in resumed:
            self.guards.pop(endpoint, None)
        return resumed

    def _growth(self, state: RolloutState, rows: Iterable[LedgerRow]) -> Sample:
        """What has grown in one endpoint's bucket since it was last looked at."""
        sides = {
            row.arm: self._seen.setdefault((row.bucket, row.endpoint, row.arm), _Seen()).growth(
                row.tally
            )
            for row in rows
        }
        return Sample(
            domain=sides.get(Arm.DOMAIN.value, ArmSample()),
            legacy=sides.get(Arm.LEGACY.value, ArmSample()),
            share=self._share(state),
        )

    def _act(self, state: RolloutState, alarm: Alarm, *, replays: bool) -> None:
        """Roll back, or tell; what a replay sees again was told by the leader before."""
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

    def _forget(self, buckets: set[datetime]) -> None:
        self._seen = {key: seen for key, seen in self._seen.items() if key[0] in buckets}

    def _prune(self) -> None:
        now = self._clock()
        if self._pruned_at is None or now - self._pruned_at >= PRUNE_EVERY:
            self._pruned_at = now
            removed = self._store.prune(self._retention)
            log.info("ledger_pruned", rows=removed)


_BAD: Mapping[Signal, str] = {
    Signal.FAILING: "failed",
    Signal.ERRING: "failed",
    Signal.SLOW: "were slow",
    Signal.WORSE: "failed",
    Signal.SLOWER: "were slower than legacy's",
}


def reason_of(alarm: Alarm) -> str:
    """An alarm in a sentence for an operator."""
    totals = alarm.evidence["totals"]
    bad, good = (int(totals.get(name, totals.get(f"domain_{name}"))) for name in ("bad", "good"))
    said = f"{alarm.signal.value}: {bad} of the domain's last {bad + good} requests"
    said += f" {_BAD[alarm.signal]}"
    if "legacy_bad" in totals:
        others = int(totals["legacy_bad"]), int(totals["legacy_bad"] + totals["legacy_good"])
        said += f", beside {others[0]} of legacy's {others[1]}"
    return said
