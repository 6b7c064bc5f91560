"""The states that applied to an endpoint over time, from the audit; pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from detection_api.canary.state import (
    DEFAULT,
    EventKind,
    RolloutEvent,
    RolloutState,
    Status,
    effective,
)
from detection_api.rollout.changes import own

EVERYTHING = 100
"""The percent at which the domain answers every request."""

_CHANGES = frozenset(
    {
        EventKind.SET,
        EventKind.ROLLBACK,
        EventKind.RESUME,
        EventKind.HOLD,
        EventKind.STAGE,
        EventKind.FAIL,
    }
)
"""The kinds of events that change a state; a HOLD of the guard has the same percent."""
_STATUSES = {EventKind.ROLLBACK: Status.ROLLED_BACK, EventKind.RESUME: Status.ACTIVE}


@dataclass(frozen=True, slots=True)
class Exposure:
    """The state that applied to an endpoint from `event` on."""

    event: RolloutEvent
    state: RolloutState

    @property
    def percent(self) -> float:
        """The percent (0..100) of requests that the domain answered."""
        return self.state.percent if self.state.status.exposes else 0.0


def exposures(events: Iterable[RolloutEvent], endpoint: str) -> list[Exposure]:
    """Return the changes of the applied state, oldest first; `events` may be in any order."""
    states: dict[str, RolloutState] = {}
    found: list[Exposure] = []
    for event in sorted(events, key=lambda event: event.id):
        if event.endpoint in (endpoint, DEFAULT) and _changes_state(event):
            states[event.endpoint] = _changed(own(states, event.endpoint), event)
            state = effective(states, endpoint)
            before = found[-1].state if found else RolloutState(endpoint=endpoint)
            if (state.percent, state.status) != (before.percent, before.status):
                found.append(Exposure(event, state))
    return found


def full_since(changes: list[Exposure]) -> datetime | None:
    """Return since when the domain has answered everything; None if it does not now."""
    since = None
    for change in changes:
        if change.percent < EVERYTHING:
            since = None
        elif since is None:
            since = change.event.at
    return since


def _changes_state(event: RolloutEvent) -> bool:
    """Return whether an event changes a state; a LEAVE does if the endpoint ran out of patience."""
    is_lowered = event.kind is EventKind.LEAVE and "percent_before" in event.evidence
    return is_lowered or event.kind in _CHANGES


def _changed(state: RolloutState, event: RolloutEvent) -> RolloutState:
    return replace(
        state,
        percent=event.evidence.get("percent", state.percent),
        status=_STATUSES.get(event.kind, state.status),
        epoch=event.epoch,
    )
