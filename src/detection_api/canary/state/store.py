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
"""A worker that has not been heard from for so long is not reported any more."""
WORKER_FORGOTTEN_AFTER = timedelta(days=1)
"""For so long a batch that is sent again is known to have been counted."""


class StaleEpochError(Exception):
    """The state was changed by somebody else since it was read; read it again."""


class Store(Protocol):
    """What workers share. All implementations pass one suite of promises.

    Every method may raise whatever its backend raises; nothing is then half done.
    """

    def now(self) -> datetime:
        """The store's clock, which every moment in here is of."""

    def read(self) -> Shared:
        """All states, and the accepted differences that have not expired."""

    def write(
        self, state: RolloutState, kind: EventKind, evidence: Mapping[str, Any], run: int = 0
    ) -> RolloutState:
        """Compare-and-swap with its event: store `state` if its epoch is still the stored one.

        Returns what is stored now, at the next epoch. Where this takes back a rollback,
        `resumed_at` becomes now. Raises StaleEpochError.
        """

    def append(self, event: RolloutEvent) -> RolloutEvent:
        """Add an event that changes no state; as stored: its id and moment are the store's."""

    def events(
        self,
        endpoint: str | None = None,
        limit: int | None = 100,
        run: int | None = None,
        before: int | None = None,
    ) -> list[RolloutEvent]:
        """The newest events, those before that id, newest first; a run's START belongs to it."""

    def flush(self, heartbeat: Heartbeat, number: int, batch: LedgerBatch, age: float) -> None:
        """Add a worker's batch, whose counting began `age` seconds ago; sent twice, once.

        A worker numbers its batches 1, 2, ...; one that is not newer than the last is ignored.
        """

    def ledger(
        self,
        since: datetime | timedelta,
        until: datetime | None = None,
        endpoint: str | None = None,
        width: timedelta = BUCKET,
    ) -> list[LedgerRow]:
        """The rows of all buckets from `since` on, or of the last `since`, oldest first.

        With `until`, only of the buckets that begin before it; with `endpoint`, only of that one.
        Rows are added up to buckets of this `width`, a multiple of BUCKET, counted from 1970.
        """

    def usage(self, since: datetime | timedelta) -> list[Usage]:
        """The counts of the same rows, added up by endpoint and arm, in that order."""

    def workers(self) -> list[Worker]:
        """Every worker that has been heard from within the last minute."""

    def mismatches(self, endpoint: str | None = None) -> list[Mismatch]:
        """All mismatches, the most frequent first."""

    def branches(self) -> dict[tuple[str, str], int]:
        """How many compared answers took each branch, by endpoint and branch."""

    def accept(self, difference: AcceptedDifference) -> AcceptedDifference:
        """Add an accepted difference; as stored."""

    def accepted(self) -> list[AcceptedDifference]:
        """Every accepted difference, expired ones too, oldest first."""

    def withdraw(self, identifier: int) -> bool:
        """Remove an accepted difference; False where there is none of this id."""

    def lead(self) -> bool:
        """Whether the caller is the fleet's leader now; it stays so until it goes away."""

    def prune(self, older_than: timedelta) -> int:
        """Remove ledger rows older than that; how many. Workers go a day after their last word."""
