"""A past for a store in PostgreSQL: events at chosen moments, and counts at chosen ages."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from detection_api.canary.state.ledger import LedgerBatch, MismatchTally, Tally
from detection_api.canary.state.store import Store
from detection_api.canary.state.types import EventKind
from detection_api.db.pool import Pool
from tests.canary.stores import heartbeat


class History:
    """Writes what happened before the test began; counts as a worker flushes them."""

    def __init__(self, url: str, store: Store) -> None:
        self.store, self.url = store, url
        self.connection = Pool(url, size=1, deadline=30, name="history", settings={}).connection
        self._batches = 0

    def event(
        self,
        endpoint: str,
        kind: EventKind,
        at: datetime,
        evidence: Mapping[str, Any] | None = None,
        *,
        run: int = 0,
        by: str = "ann",
        reason: str = "",
    ) -> int:
        """Add an event; its id."""
        with self.connection() as connection:
            cursor = connection.cursor()
            cursor.execute(
                "INSERT INTO rollout_event (endpoint, kind, by, reason, epoch, evidence, at, run)"
                " VALUES (%s, %s, %s, %s, 1, %s, %s, %s) RETURNING id",
                (endpoint, kind.value, by, reason, json.dumps(evidence or {}), at, run),
            )
            ((identifier,),) = cursor.fetchall()
            return int(identifier)

    def counts(self, endpoint: str, arm: str, at: datetime, tally: Tally) -> None:
        """Have a worker tell that it counted this in the bucket of `at`."""
        self.flush(LedgerBatch(0, tallies={(endpoint, arm): tally}), at)

    def branches(self, endpoint: str, branches: Mapping[str, int] | set[str]) -> None:
        """Have comparisons meet these branches, once each where no number is given."""
        counts = branches if isinstance(branches, Mapping) else dict.fromkeys(branches, 1)
        found = {(endpoint, branch): count for branch, count in counts.items()}
        self.flush(LedgerBatch(0, branches=found), datetime.now(UTC))

    def mismatch(self, endpoint: str, path: str, at: datetime, count: int = 1) -> None:
        """Have the arms differ at a path."""
        found = {(endpoint, path, "type"): MismatchTally(count=count)}
        self.flush(LedgerBatch(0, mismatches=found), at)

    def use(self, accepted: int) -> None:
        """Have an accepted difference excuse one."""
        self.flush(LedgerBatch(0, acceptances={accepted: 1}), datetime.now(UTC))

    def flush(self, batch: LedgerBatch, at: datetime) -> None:
        """Have a worker tell of a batch that it began in the bucket of `at`."""
        self._batches += 1
        self.store.flush(
            heartbeat(), self._batches, batch, (datetime.now(UTC) - middle(at)).total_seconds()
        )


def middle(at: datetime) -> datetime:
    """The middle of the ledger's bucket that `at` is in: safe from a moment's delay."""
    return datetime.fromtimestamp(at.timestamp() // 10 * 10 + 5, UTC)


def ago(**time: float) -> datetime:
    """A moment that long ago."""
    return datetime.now(UTC) - timedelta(**time)
