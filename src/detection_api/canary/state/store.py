"""The store that workers and hosts share, as a port; `memory.py` and `postgres/` implement it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from detection_api.canary.state.ledger import BUCKET, LedgerBatch
from detection_api.canary.state.types import (
    AcceptedDifference,
    EventKind,
    Heartbeat,
    LedgerRow,
    Mismatch,
    RolloutEvent,
    RolloutState,
    Shared,
    Usage,
    Worker,
)

WORKER_SILENT_AFTER = timedelta(minutes=1)
"""A worker that is silent for so long is not reported."""
WORKER_FORGOTTEN_AFTER = timedelta(days=1)
"""For so long a batch that is sent twice is recognised."""


class StaleEpochError(Exception):
    """The stored state is newer than the one that was read; read it again."""


class Store(Protocol):
    """The store that workers share. All implementations pass one suite of promises.

    Every method may raise its backend's errors, and then has changed nothing.
    """

    def now(self) -> datetime:
        """Return the time by the store's clock, as all moments here."""

    def read(self) -> Shared:
        """Return all states, and the accepted differences that have not expired."""

    def write(
        self, state: RolloutState, kind: EventKind, evidence: Mapping[str, Any], run: int = 0
    ) -> RolloutState:
        """Store `state` and its event if its epoch is still the stored one (compare-and-swap).

        Returns the stored state, at the next epoch. If it ends a rollback, `resumed_at` is now.
        Raises StaleEpochError.
        """

    def append(self, event: RolloutEvent) -> RolloutEvent:
        """Add an event that changes no state; return it with the store's id and moment."""

    def events(
        self,
        endpoint: str | None = None,
        limit: int | None = 100,
        run: int | None = None,
        before: int | None = None,
    ) -> list[RolloutEvent]:
        """Return events, newest first, with ids below `before`; a run includes its START."""

    def flush(self, heartbeat: Heartbeat, number: int, batch: LedgerBatch, age: float) -> None:
        """Add a worker's batch, whose counting began `age` seconds ago.

        A worker numbers its batches 1, 2, ...; a batch that was added already is ignored.
        """

    def ledger(
        self,
        since: datetime | timedelta,
        until: datetime | None = None,
        endpoint: str | None = None,
        width: timedelta = BUCKET,
    ) -> list[LedgerRow]:
        """Return the rows of all buckets from `since` on, oldest first; a duration ends now.

        With `until`, only buckets that begin before it; with `endpoint`, only that endpoint. Rows
        are added up to buckets of this `width`, a multiple of BUCKET, counted from 1970.
        """

    def usage(self, since: datetime | timedelta) -> list[Usage]:
        """Return the counts since `since`, added up by endpoint and arm, in that order."""

    def workers(self) -> list[Worker]:
        """Return the workers with a heartbeat within the last minute."""

    def mismatches(self, endpoint: str | None = None) -> list[Mismatch]:
        """Return all mismatches, the most frequent first."""

    def branches(self) -> dict[tuple[str, str], int]:
        """Return the number of compared answers by endpoint and branch."""

    def accept(self, difference: AcceptedDifference) -> AcceptedDifference:
        """Add an accepted difference; return it as stored."""

    def accepted(self) -> list[AcceptedDifference]:
        """Return all accepted differences, expired ones too, oldest first."""

    def withdraw(self, identifier: int) -> bool:
        """Remove an accepted difference; return False if none has this id."""

    def lead(self) -> bool:
        """Return whether the caller leads the fleet; a leader leads until it goes away."""

    def prune(self, older_than: timedelta) -> int:
        """Remove ledger rows older than that, and workers that are silent for a day.

        Returns the number of removed rows.
        """
