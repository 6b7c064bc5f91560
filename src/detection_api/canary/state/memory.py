"""The store of one process: for tests, and for an application without a database."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from detection_api.canary.state.ledger import BUCKET, LedgerBatch, MismatchTally, Tally
from detection_api.canary.state.store import (
    WORKER_FORGOTTEN_AFTER,
    WORKER_SILENT_AFTER,
    StaleEpochError,
)
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


def _utc_now() -> datetime:
    return datetime.now(UTC)


class MemoryStore:
    """Keeps everything in this process, safe under threads; see Store for what it promises."""

    def __init__(self, clock: Callable[[], datetime] = _utc_now) -> None:
        self._now = clock
        self._lock = threading.RLock()
        self._states: dict[str, RolloutState] = {}
        self._events: list[RolloutEvent] = []
        self._workers: dict[str, tuple[int, datetime, Heartbeat]] = {}
        self._ledger: dict[tuple[datetime, str, str], Tally] = {}
        self._mismatches: dict[tuple[str, str, str], Mismatch] = {}
        self._branches: dict[tuple[str, str], int] = {}
        self._accepted: dict[int, AcceptedDifference] = {}
        self._last_id = 0

    def now(self) -> datetime:
        """See Store."""
        return self._now()

    def read(self) -> Shared:
        """See Store."""
        with self._lock:
            now = self._now()
            accepted = tuple(d for d in self._accepted.values() if d.expires_at > now)
            return Shared(states=dict(self._states), accepted=accepted)

    def write(
        self, state: RolloutState, kind: EventKind, evidence: Mapping[str, Any], run: int = 0
    ) -> RolloutState:
        """See Store."""
        with self._lock:
            old = self._states.get(state.endpoint) or RolloutState(endpoint=state.endpoint)
            if old.epoch != state.epoch:
                raise StaleEpochError(state.endpoint)
            now = self._now()
            is_resumed = not old.status.exposes and state.status.exposes
            stored = replace(
                state,
                epoch=state.epoch + 1,
                at=now,
                resumed_at=now if is_resumed else old.resumed_at,
            )
            self._states[state.endpoint] = stored
            self.append(
                RolloutEvent(
                    endpoint=stored.endpoint,
                    kind=kind,
                    by=stored.by,
                    reason=stored.reason,
                    epoch=stored.epoch,
                    evidence=evidence,
                    run=run,
                )
            )
            return stored

    def append(self, event: RolloutEvent) -> RolloutEvent:
        """See Store."""
        with self._lock:
            stored = replace(event, id=self._next_id(), at=self._now())
            self._events.append(stored)
            return stored

    def events(
        self,
        endpoint: str | None = None,
        limit: int | None = 100,
        run: int | None = None,
        before: int | None = None,
    ) -> list[RolloutEvent]:
        """See Store."""
        with self._lock:
            newest_first = self._events[::-1]
        return [
            event
            for event in newest_first
            if endpoint in (None, event.endpoint)
            and (run is None or run in (event.run, event.id))
            and (before is None or event.id < before)
        ][:limit]

    def flush(self, heartbeat: Heartbeat, number: int, batch: LedgerBatch, age: float) -> None:
        """See Store."""
        with self._lock:
            last, _, _ = self._workers.get(heartbeat.worker, (0, None, None))
            if number <= last:
                return
            now = self._now()
            self._workers[heartbeat.worker] = (number, now, heartbeat)
            self._add(batch, now - timedelta(seconds=age))

    def ledger(
        self,
        since: datetime | timedelta,
        until: datetime | None = None,
        endpoint: str | None = None,
        width: timedelta = BUCKET,
    ) -> list[LedgerRow]:
        """See Store."""
        sums: dict[tuple[datetime, str, str], Tally] = {}
        with self._lock:
            first = since if isinstance(since, datetime) else self._now() - since
            for (bucket, name, arm), tally in sorted(self._ledger.items(), key=lambda row: row[0]):
                is_within = bucket >= first and (until is None or bucket < until)
                if is_within and endpoint in (None, name):
                    sums.setdefault((_bucket(bucket, width), name, arm), Tally()).add(tally)
        return [
            LedgerRow(bucket=bucket, endpoint=name, arm=arm, tally=tally)
            for (bucket, name, arm), tally in sorted(sums.items(), key=lambda row: row[0])
        ]

    def usage(self, since: datetime | timedelta) -> list[Usage]:
        """See Store."""
        rows: dict[tuple[str, str], list[LedgerRow]] = {}
        for row in self.ledger(since):
            rows.setdefault((row.endpoint, row.arm), []).append(row)
        return [_usage(rows[key]) for key in sorted(rows)]

    def workers(self) -> list[Worker]:
        """See Store."""
        with self._lock:
            now = self._now()
            return [
                Worker(heartbeat=heartbeat, silent=(now - seen_at).total_seconds())
                for _, (_, seen_at, heartbeat) in sorted(self._workers.items())
                if now - seen_at < WORKER_SILENT_AFTER
            ]

    def mismatches(self, endpoint: str | None = None) -> list[Mismatch]:
        """See Store."""
        with self._lock:
            chosen = [m for m in self._mismatches.values() if endpoint in (None, m.endpoint)]
        return sorted(chosen, key=lambda m: (-m.count, m.endpoint, m.path, m.kind))

    def branches(self) -> dict[tuple[str, str], int]:
        """See Store."""
        with self._lock:
            return dict(self._branches)

    def accept(self, difference: AcceptedDifference) -> AcceptedDifference:
        """See Store."""
        with self._lock:
            stored = replace(
                difference,
                id=self._next_id(),
                created_at=self._now(),
                used=0,
                last_used_at=None,
            )
            self._accepted[stored.id] = stored
            return stored

    def accepted(self) -> list[AcceptedDifference]:
        """See Store."""
        with self._lock:
            return list(self._accepted.values())

    def withdraw(self, identifier: int) -> bool:
        """See Store."""
        with self._lock:
            return self._accepted.pop(identifier, None) is not None

    def lead(self) -> bool:
        """Always: the one process there is leads."""
        return True

    def prune(self, older_than: timedelta) -> int:
        """See Store."""
        with self._lock:
            now = self._now()
            old = [key for key in self._ledger if key[0] < now - older_than]
            for key in old:
                del self._ledger[key]
            for worker, (_, seen_at, _) in list(self._workers.items()):
                if now - seen_at > WORKER_FORGOTTEN_AFTER:
                    del self._workers[worker]
            return len(old)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _add(self, batch: LedgerBatch, began: datetime) -> None:
        bucket = _bucket(began)
        for (endpoint, arm), tally in batch.tallies.items():
            self._ledger.setdefault((bucket, endpoint, arm), Tally()).add(tally)
        for key, mismatch in batch.mismatches.items():
            self._add_mismatch(key, mismatch, began)
        for branch, count in batch.branches.items():
            self._branches[branch] = self._branches.get(branch, 0) + count
        for identifier, count in batch.acceptances.items():
            self._add_use(identifier, count, began)

    def _add_mismatch(
        self, key: tuple[str, str, str], mismatch: MismatchTally, began: datetime
    ) -> None:
        endpoint, path, kind = key
        old = self._mismatches.get(key)
        sums = MismatchTally(old.count, old.accepted, old.samples) if old else MismatchTally()
        sums.add(mismatch)
        self._mismatches[key] = Mismatch(
            endpoint=endpoint,
            path=path,
            kind=kind,
            count=sums.count,
            accepted=sums.accepted,
            first_seen=min(old.first_seen, began) if old else began,
            last_seen=max(old.last_seen, began) if old else began,
            samples=sums.samples,
        )

    def _add_use(self, identifier: int, count: int, began: datetime) -> None:
        if (old := self._accepted.get(identifier)) is not None:
            used_at = max(old.last_used_at or began, began)
            self._accepted[identifier] = replace(old, used=old.used + count, last_used_at=used_at)


def _bucket(moment: datetime, width: timedelta = BUCKET) -> datetime:
    seconds = width.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def _usage(rows: list[LedgerRow]) -> Usage:
    """Sum the rows of one endpoint and arm, given oldest first."""
    sums = Tally()
    for row in rows:
        sums.add(replace(row.tally, latency={}, first_failed="", last_failed=""))
    decided = (row.bucket for row in rows if row.tally.requests > row.tally.forced)
    forced = (row.bucket for row in rows if row.tally.forced)
    fell_back = (row.bucket for row in rows if row.tally.fallbacks)
    return Usage(
        endpoint=rows[0].endpoint,
        arm=rows[0].arm,
        tally=sums,
        since=rows[0].bucket,
        decided_at=max(decided, default=None),
        forced_at=max(forced, default=None),
        fell_back_at=max(fell_back, default=None),
    )
