"""Hold an endpoint when one compared answer is wrong, and release it when that is accepted.

The leader does so for the fleet. `Holds.turn` is the beginning.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from detection_api.canary.comparison import find_excuse
from detection_api.canary.fleet.reasons import hold_reason
from detection_api.canary.guard import Signal, Verdict
from detection_api.canary.state import (
    EventKind,
    Mismatch,
    RolloutState,
    Shared,
    StaleEpochError,
    Status,
    Store,
    effective,
)

log = structlog.get_logger(__name__)

MAX_MISMATCHES = 5
"""Mismatches that the evidence of a hold shows."""
EVENTS = 20
"""An endpoint's newest events among which its hold is looked up."""


class Holds:
    """Holds endpoints in the store; `author` is the author in the audit."""

    def __init__(self, store: Store, author: str) -> None:
        self._store = store
        self._author = author
        self._due: dict[str, datetime] = {}

    def demand(self, endpoint: str, bucket: datetime) -> None:
        """Have an endpoint held that had a mismatch in this bucket of the ledger, or later."""
        self._due.setdefault(endpoint, bucket)

    def forget(self, endpoint: str) -> None:
        """Drop the demand for an endpoint that was resumed."""
        self._due.pop(endpoint, None)

    def turn(self, shared: Shared) -> None:
        """Hold the endpoints that are due; release those whose mismatches are now accepted."""
        for endpoint, bucket in list(self._due.items()):
            state = effective(shared.states, endpoint)
            if state.status is not Status.ACTIVE or self._is_held(state, shared, bucket):
                del self._due[endpoint]
        if shared.accepted:
            for state in shared.states.values():
                if state.status is Status.HELD and state.by == self._author:
                    self._release(state, shared)

    def _is_held(self, state: RolloutState, shared: Shared, bucket: datetime) -> bool:
        """Write a hold; return False if the state was just changed and must be read again."""
        mismatches = self._unaccepted(state.endpoint, shared, bucket)
        if not mismatches:
            return True
        evidence = {
            "signal": Signal.DIFFERING.value,
            "verdict": Verdict.HOLD.value,
            "since": bucket.isoformat(),
            "mismatches": [_shown(mismatch) for mismatch in mismatches[:MAX_MISMATCHES]],
        }
        held = replace(state, status=Status.HELD)
        return self._write(held, EventKind.HOLD, hold_reason(mismatches), evidence)

    def _release(self, state: RolloutState, shared: Shared) -> None:
        """End a hold of this guard if every mismatch since it is accepted."""
        events = self._store.events(state.endpoint, EVENTS)
        found = (e.evidence for e in events if (e.kind, e.epoch) == (EventKind.HOLD, state.epoch))
        evidence = next(found, None)
        if evidence is None or "since" not in evidence:
            return
        since = datetime.fromisoformat(evidence["since"])
        if not self._unaccepted(state.endpoint, shared, since):
            active = replace(state, status=Status.ACTIVE)
            self._write(active, EventKind.RESUME, "every difference is accepted", {})

    def _unaccepted(self, endpoint: str, shared: Shared, since: datetime) -> list[Mismatch]:
        """Return the mismatches of an endpoint since `since` that nothing excuses."""
        return [
            mismatch
            for mismatch in self._store.mismatches(endpoint)
            if mismatch.count
            and mismatch.last_seen >= since
            and not find_excuse(shared.accepted, endpoint, mismatch.path, mismatch.kind)
        ]

    def _write(
        self, state: RolloutState, kind: EventKind, reason: str, evidence: Mapping[str, Any]
    ) -> bool:
        """Store a state with its event; return False if the stored one was changed meanwhile."""
        try:
            self._store.write(replace(state, by=self._author, reason=reason), kind, evidence)
        except StaleEpochError:
            return False
        log.warning(f"guard_{kind.value}", endpoint=state.endpoint, reason=reason)
        return True


def is_after_change(state: RolloutState, bucket: datetime) -> bool:
    """Return whether all of a bucket is later than the last change of an endpoint's state.

    A new leader reads mismatches that its predecessor has acted on. It acts on later ones only.
    """
    return state.at is None or bucket >= state.at


def _shown(mismatch: Mismatch) -> dict[str, Any]:
    return {
        "path": mismatch.path,
        "kind": mismatch.kind,
        "count": mismatch.count,
        "samples": mismatch.samples[-1:],
    }
