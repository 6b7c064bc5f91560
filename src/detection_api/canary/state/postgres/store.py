"""The store of a fleet: PostgreSQL, one statement a method."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar, cast

from detection_api.canary.state.ledger import BUCKET, Key, LedgerBatch, Tally
from detection_api.canary.state.postgres import jsonb
from detection_api.canary.state.postgres import statements as sql
from detection_api.canary.state.safe_convert import convert
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

SESSION_SETTINGS: Mapping[str, str] = {
    "idle_session_timeout": "2500",
    "tcp_keepalives_idle": "1",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "1",
}
"""What the store's sessions need for `lead`: PostgreSQL ends that of a leader that is frozen or
gone, and with it the lock, within 3 s."""
PRUNED_AT_ONCE = 5_000
"""Ledger rows that one statement removes well within any deadline."""

_Record = TypeVar("_Record")


class Connection(Protocol):
    """The part of a connection that the store uses."""

    def cursor(self) -> Any:
        """A cursor of psycopg2's."""


class PostgresStore:
    """Keeps everything in the tables of `tables.py`; see Store for what it promises.

    `connection` gives an autocommit connection for one statement. Leading is up to a session: let
    it be of a pool of one, with SESSION_SETTINGS, used at least every two seconds.
    """

    def __init__(self, connection: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._connection = connection

    def now(self) -> datetime:
        """See Store."""
        ((now,),) = self._rows(sql.NOW)
        return cast("datetime", now)

    def read(self) -> Shared:
        """See Store."""
        rows = self._rows(sql.READ)
        states = [convert(state, RolloutState) for state, _ in rows if state]
        return Shared(
            states={state.endpoint: state for state in states},
            accepted=tuple(convert(row, AcceptedDifference) for _, row in rows if row),
        )

    def write(
        self, state: RolloutState, kind: EventKind, evidence: Mapping[str, Any], run: int = 0
    ) -> RolloutState:
        """See Store."""
        stored = self._rows(
            sql.WRITE,
            endpoint=jsonb.key(state.endpoint),
            percent=state.percent,
            status=state.status.value,
            reason=jsonb.text(state.reason),
            epoch=state.epoch,
            by=jsonb.text(state.by),
            kind=kind.value,
            evidence=jsonb.encode(evidence),
            run=run,
        )
        if not stored:
            raise StaleEpochError(state.endpoint)
        return convert(stored[0][0], RolloutState)

    def append(self, event: RolloutEvent) -> RolloutEvent:
        """See Store."""
        (stored,) = self._records(
            RolloutEvent,
            sql.APPEND,
            endpoint=jsonb.key(event.endpoint),
            kind=event.kind.value,
            by=jsonb.text(event.by),
            reason=jsonb.text(event.reason),
            epoch=event.epoch,
            evidence=jsonb.encode(event.evidence),
            run=event.run,
        )
        return stored

    def events(
        self,
        endpoint: str | None = None,
        limit: int | None = 100,
        run: int | None = None,
        before: int | None = None,
    ) -> list[RolloutEvent]:
        """See Store."""
        return self._records(
            RolloutEvent, sql.EVENTS, endpoint=endpoint, limit=limit, run=run, before=before
        )

    def flush(self, heartbeat: Heartbeat, number: int, batch: LedgerBatch, age: float) -> None:
        """See Store; one statement, which a lost connection leaves done or not, never half done."""
        batch = jsonb.with_keys(batch)
        self._rows(
            sql.FLUSH,
            worker=jsonb.key(heartbeat.worker),
            number=number,
            uptime=heartbeat.uptime,
            epochs=jsonb.encode(heartbeat.epochs),
            totals=jsonb.encode(_tallies(heartbeat.totals)),
            vitals=jsonb.encode(heartbeat.vitals),
            age=age,
            tallies=jsonb.encode(_tallies(batch.tallies)),
            mismatches=jsonb.encode(_mismatches(batch)),
            branches=jsonb.encode(_branches(batch)),
            acceptances=jsonb.encode([{"id": i, "n": n} for i, n in batch.acceptances.items()]),
        )

    def ledger(
        self,
        since: datetime | timedelta,
        until: datetime | None = None,
        endpoint: str | None = None,
        width: timedelta = BUCKET,
    ) -> list[LedgerRow]:
        """See Store."""
        rows = self._rows(
            sql.LEDGER,
            **_from(since),
            until=until,
            endpoint=endpoint,
            width=width,
        )
        return [
            LedgerRow(bucket=bucket, endpoint=endpoint, arm=arm, tally=_tally(tally))
            for bucket, endpoint, arm, tally in rows
        ]

    def usage(self, since: datetime | timedelta) -> list[Usage]:
        """See Store."""
        return self._records(Usage, sql.USAGE, **_from(since))

    def workers(self) -> list[Worker]:
        """See Store."""
        rows = self._rows(sql.WORKERS, silence=WORKER_SILENT_AFTER)
        return [
            Worker(
                heartbeat=Heartbeat(
                    worker=worker,
                    uptime=uptime,
                    epochs=epochs,
                    totals={(row["endpoint"], row["arm"]): _tally(row) for row in totals},
                    vitals=vitals,
                ),
                silent=silent,
            )
            for worker, uptime, epochs, totals, vitals, silent in rows
        ]

    def mismatches(self, endpoint: str | None = None) -> list[Mismatch]:
        """See Store."""
        return self._records(Mismatch, sql.MISMATCHES, endpoint=endpoint)

    def branches(self) -> dict[tuple[str, str], int]:
        """See Store."""
        return {(endpoint, branch): n for endpoint, branch, n in self._rows(sql.BRANCHES)}

    def accept(self, difference: AcceptedDifference) -> AcceptedDifference:
        """See Store."""
        (stored,) = self._records(
            AcceptedDifference,
            sql.ACCEPT,
            endpoint=difference.endpoint,
            path=difference.path,
            kind=difference.kind,
            reason=difference.reason,
            by=difference.by,
            expires_at=difference.expires_at,
        )
        return stored

    def accepted(self) -> list[AcceptedDifference]:
        """See Store."""
        return self._records(AcceptedDifference, sql.ACCEPTED)

    def withdraw(self, identifier: int) -> bool:
        """See Store."""
        return bool(self._rows(sql.WITHDRAW, id=identifier))

    def lead(self) -> bool:
        """Whether this session holds the advisory lock, which it keeps until it ends."""
        ((leading,),) = self._rows(sql.LEAD)
        return bool(leading)

    def prune(self, older_than: timedelta) -> int:
        """See Store; in portions, each within the deadline of a statement."""
        removed: int = 0
        while True:
            ((count,),) = self._rows(
                sql.PRUNE,
                older_than=older_than,
                silence=WORKER_FORGOTTEN_AFTER,
                limit=PRUNED_AT_ONCE,
            )
            removed += count
            if count < PRUNED_AT_ONCE:
                return removed

    def _rows(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with self._connection() as connection:
            cursor = connection.cursor()
            cursor.execute(statement, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def _records(
        self, record: type[_Record], statement: str, /, **parameters: Any
    ) -> list[_Record]:
        return [convert(row, record) for (row,) in self._rows(statement, **parameters)]


def _from(since: datetime | timedelta) -> dict[str, Any]:
    """The parameters that say from when on."""
    is_moment = isinstance(since, datetime)
    return {"moment": since if is_moment else None, "last": None if is_moment else since}


def _tally(row: Mapping[str, Any]) -> Tally:
    return convert(row, Tally, str_keys=True)


def _tallies(tallies: Mapping[Key, Tally]) -> Iterable[dict[str, Any]]:
    return [
        {"endpoint": endpoint, "arm": arm, **asdict(tally)}
        for (endpoint, arm), tally in tallies.items()
    ]


def _mismatches(batch: LedgerBatch) -> Iterable[dict[str, Any]]:
    return [
        {"endpoint": endpoint, "path": path, "kind": kind, **asdict(mismatch)}
        for (endpoint, path, kind), mismatch in batch.mismatches.items()
    ]


def _branches(batch: LedgerBatch) -> Iterable[dict[str, Any]]:
    return [
        {"endpoint": endpoint, "branch": branch, "count": count}
        for (endpoint, branch), count in batch.branches.items()
    ]
