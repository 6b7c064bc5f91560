"""The data that the console shows, read at one moment."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from detection_api.canary.serving import CanarySettings
from detection_api.canary.state import (
    DEFAULT,
    EventKind,
    LedgerRow,
    Mismatch,
    RolloutEvent,
    RolloutState,
    Store,
)
from detection_api.clock import utc_now
from detection_api.console.data.history import History
from detection_api.rollout.gates import excuse_of_latency
from detection_api.rollout.overview import Overview, overview
from detection_api.rollout.run import Run, load

EVENTS = 20
EVENTS_OF_ENDPOINT = 50
RUN_AMONG = 50
"""The newest events of the default among which a run's start is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSnapshot:
    """The state of everything `at` one moment; `rows` are the ledger's last hour.

    `run` is the latest rollout run; `is_driven` is true while a controller works on it. `excused`
    are the endpoints whose domain may be slower than legacy, because an operator accepted it.
    """

    at: datetime
    states: Mapping[str, RolloutState]
    overview: Overview
    rows: list[LedgerRow]
    events: list[RolloutEvent]
    run: Run | None
    is_driven: bool
    excused: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """The additional data on an endpoint's own page."""

    mismatches: list[Mismatch]
    events: list[RolloutEvent]


class Source:
    """Reads snapshots and details from the store; raises what the store raises.

    `is_driven` returns whether a controller of rollout runs is at work.
    """

    def __init__(
        self,
        store: Store,
        endpoints: Collection[str],
        overrides: CanarySettings,
        is_driven: Callable[[], bool],
    ) -> None:
        self._store = store
        self._endpoints = endpoints
        self._overrides = overrides
        self._is_driven = is_driven
        self._history = History(store)
        self._run: Run | None = None

    def snapshot(self) -> ConsoleSnapshot:
        """Return the state of everything now."""
        shared = self._store.read()
        states, run = shared.states, self._latest_run()
        return ConsoleSnapshot(
            at=utc_now(),
            states=states,
            overview=overview(states, self._store.workers(), self._endpoints, self._overrides),
            rows=self._history.read(),
            events=self._store.events(limit=EVENTS),
            run=run,
            is_driven=run is not None and run.end is None and self._is_driven(),
            excused=frozenset(
                name for name in self._endpoints if excuse_of_latency(shared.accepted, name)
            ),
        )

    def _latest_run(self) -> Run | None:
        """Return the latest run; a run that has ended is not read again."""
        recent = self._store.events(DEFAULT, RUN_AMONG)
        known = self._run.id if self._run else None
        newest = next((event.id for event in recent if event.kind is EventKind.START), known)
        if newest is not None and (newest != known or self._run is None or not self._run.end):
            self._run = load(self._store, newest)
        return self._run

    def details(self, endpoint: str) -> Details:
        """Return the details of one endpoint now."""
        return Details(
            mismatches=self._store.mismatches(endpoint),
            events=self._store.events(endpoint, EVENTS_OF_ENDPOINT),
        )
