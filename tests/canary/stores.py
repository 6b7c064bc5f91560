"""The stores under test, and what the tests of them say in one line."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import psycopg2
from psycopg2 import extensions

from detection_api.canary.state.histogram import bin_of
from detection_api.canary.state.ledger import LedgerBatch, MismatchTally, Tally
from detection_api.canary.state.memory import MemoryStore
from detection_api.canary.state.postgres.store import SESSION_SETTINGS, PostgresStore
from detection_api.canary.state.store import Store
from detection_api.canary.state.types import Heartbeat, LedgerRow
from detection_api.db.pool import Pool, bound_waits

ENDPOINT = "records.violation"
ALL = timedelta(days=1)
"""A part of the ledger in which everything is that a test has counted."""


class StoreUnderTest(Protocol):
    """A store whose time a test can have pass."""

    store: Store

    def pass_time(self, time: timedelta) -> None:
        """Have everything that is stored be older by `time`."""


class InMemory:
    def __init__(self) -> None:
        self._passed = timedelta()
        self.store: Store = MemoryStore(lambda: datetime.now(UTC) + self._passed)

    def pass_time(self, time: timedelta) -> None:
        self._passed += time


class InPostgres:
    def __init__(self, url: str, pool: Pool) -> None:
        self._url = url
        self.store: Store = PostgresStore(pool.connection)

    def pass_time(self, time: timedelta) -> None:
        moments = {
            "canary_ledger": ["bucket"],
            "canary_worker": ["started_at", "seen_at"],
            "canary_accepted_difference": ["expires_at"],
        }
        with closing(psycopg2.connect(self._url)) as connection, connection:
            for table, columns in moments.items():
                moved = ", ".join(f"{column} = {column} - %(time)s" for column in columns)
                connection.cursor().execute(f"UPDATE {table} SET {moved}", {"time": time})


def pool_of(url: str, *, deadline: float = 10) -> Pool:
    """A pool as the application makes it for its canary."""
    return Pool(url, size=1, deadline=deadline, name="canary", settings=SESSION_SETTINGS)


@contextmanager
def in_postgres(url: str) -> Iterator[InPostgres]:
    """A store on the database at `url`, connected as a worker connects it."""
    bound_waits()
    pool = pool_of(url)
    try:
        yield InPostgres(url, pool)
    finally:
        pool.dispose()
        extensions.set_wait_callback(None)


def heartbeat(worker: str = "w1", **fields: Any) -> Heartbeat:
    given: dict[str, Any] = {"uptime": 5.0, "epochs": {}, "totals": {}, "vitals": {}, **fields}
    return Heartbeat(worker=worker, **given)


def batch(**counts: Any) -> LedgerBatch:
    """A batch of these counts, of ENDPOINT's domain."""
    return LedgerBatch(0, tallies={(ENDPOINT, "domain"): Tally(**counts)})


def latencies(*seconds: float) -> dict[int, int]:
    histogram: dict[int, int] = {}
    for each in seconds:
        histogram[bin_of(each)] = histogram.get(bin_of(each), 0) + 1
    return histogram


def mismatches(count: int, *samples: Mapping[str, Any], path: str = "$.fps") -> LedgerBatch:
    """A batch in which ENDPOINT's arms differed `count` times."""
    tally = MismatchTally(count=count, samples=[dict(sample) for sample in samples])
    return LedgerBatch(0, mismatches={(ENDPOINT, path, "type"): tally})


def summed(rows: list[LedgerRow]) -> dict[tuple[str, str], Tally]:
    """The tallies of all buckets together, by endpoint and arm."""
    sums: dict[tuple[str, str], Tally] = {}
    for row in rows:
        sums.setdefault((row.endpoint, row.arm), Tally()).add(row.tally)
    return sums
