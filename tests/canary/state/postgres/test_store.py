"""What the fleet's store promises beyond every store's: SQL by hand, one leader, many workers."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import chain
from typing import IO, Any

import psycopg2
import pytest
from psycopg2 import errors
from sqlalchemy import create_engine

from detection_api.canary.state.ledger import LedgerBatch, MismatchTally, Tally
from detection_api.canary.state.postgres import tables
from detection_api.canary.state.store import StaleEpochError, Store
from detection_api.canary.state.types import (
    EventKind,
    RolloutEvent,
    RolloutState,
    Status,
    effective,
)
from tests.canary.state.test_store import ACTIVE, DIFFERENCE, rolled_back, wrote
from tests.canary.stores import (
    ALL,
    ENDPOINT,
    batch,
    heartbeat,
    in_postgres,
    latencies,
    mismatches,
    summed,
)
from tests.ingest.support import query, wait_until

TAKEN_OVER_WITHIN = 3.0
WAITING = "SELECT pid FROM pg_locks WHERE NOT granted"
WORKERS = 8
BATCHES = 50


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    with in_postgres(database) as stored:
        yield stored.store


# Changes by hand


def test_a_percent_set_by_hand_is_the_next_epoch_and_is_audited(
    store: Store, database: str
) -> None:
    before = wrote(store, ACTIVE)
    query(database, "UPDATE rollout_state SET percent = 0")
    state = store.read().states[ENDPOINT]
    assert (state.percent, state.epoch, state.by, state.reason) == (0, 2, "sql", "")
    assert state.at is not None
    assert before.at is not None
    assert state.at > before.at
    ((user,),) = query(database, "SELECT session_user")
    event, _ = store.events()
    assert (event.kind, event.by, event.epoch) == (EventKind.SET, f"sql:{user}", 2)
    assert event.evidence == {"percent": 0, "percent_before": 25}


def test_a_controller_that_did_not_see_the_change_by_hand_is_refused(
    store: Store, database: str
) -> None:
    seen = wrote(store, ACTIVE)
    query(database, "UPDATE rollout_state SET percent = 0")
    with pytest.raises(StaleEpochError):
        wrote(store, replace(seen, percent=50))
    assert store.read().states[ENDPOINT].percent == 0


def test_a_controller_that_writes_while_the_change_is_uncommitted_is_refused_too(
    store: Store, database: str
) -> None:
    raised = replace(wrote(store, ACTIVE), percent=50)
    refused = threading.Event()

    def write() -> None:
        try:
            wrote(store, raised)
        except StaleEpochError:
            refused.set()

    controller = threading.Thread(target=write)
    with closing(psycopg2.connect(database)) as operator, operator.cursor() as cursor:
        cursor.execute("UPDATE rollout_state SET percent = 0")
        controller.start()
        wait_until(lambda: query(database, WAITING) != [])
        operator.commit()
        controller.join()
    assert refused.is_set()
    assert store.read().states[ENDPOINT].percent == 0


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        ("percent = 50, reason = 'friday'", EventKind.SET, "friday"),
        ("status = 'rolled_back', reason = 'friday'", EventKind.ROLLBACK, "friday"),
        ("percent = 50, epoch = epoch + 1", EventKind.SET, "stage 2"),
        ("percent = 50, epoch = 0", EventKind.SET, ""),
        ("percent = percent", EventKind.SET, ""),
    ],
)
def test_whatever_is_changed_by_hand_is_one_epoch_and_one_event(
    store: Store, database: str, change: str, kind: EventKind, reason: str
) -> None:
    wrote(store, ACTIVE)
    query(database, f"UPDATE rollout_state SET {change}")
    assert store.read().states[ENDPOINT].epoch == 2
    first, *others = store.events()
    assert (first.kind, first.reason, first.epoch, len(others)) == (kind, reason, 2, 1)


def test_a_rollback_taken_back_by_hand_says_since_when_evidence_counts(
    store: Store, database: str
) -> None:
    rolled_back(store)
    query(database, "UPDATE rollout_state SET status = 'active'")
    state = store.read().states[ENDPOINT]
    assert (state.status, state.resumed_at is not None) == (Status.ACTIVE, True)
    assert store.events()[0].kind is EventKind.RESUME


def test_a_state_is_made_by_hand_from_endpoint_and_percent_alone(
    store: Store, database: str
) -> None:
    query(database, "INSERT INTO rollout_state (endpoint, percent) VALUES (%s, 5)", ENDPOINT)
    state = store.read().states[ENDPOINT]
    assert state == RolloutState(
        endpoint=ENDPOINT, percent=5, epoch=1, by="sql", at=state.at, resumed_at=None
    )
    (event,) = store.events()
    assert (event.kind, event.epoch) == (EventKind.SET, 1)
    assert event.evidence == {"percent": 5, "percent_before": None}
    assert wrote(store, replace(state, percent=10, by="ann")).epoch == 2
    assert store.events()[0].by == "ann"


def test_an_upsert_by_hand_is_one_event(store: Store, database: str) -> None:
    upsert = (
        "INSERT INTO rollout_state (endpoint, percent) VALUES (%s, %s)"
        " ON CONFLICT (endpoint) DO UPDATE SET percent = excluded.percent"
    )
    for epoch, percent in enumerate((5, 10), start=1):
        query(database, upsert, ENDPOINT, percent)
        assert store.read().states[ENDPOINT].epoch == len(store.events()) == epoch
    query(database, "DELETE FROM rollout_state")
    query(database, upsert, ENDPOINT, 15)
    assert len(store.events()) == 4, "the deletion is an event, too"


def test_a_write_that_keeps_the_name_that_sql_left_is_one_event(
    store: Store, database: str
) -> None:
    query(database, "INSERT INTO rollout_state (endpoint, percent) VALUES (%s, 5)", ENDPOINT)
    wrote(store, replace(store.read().states[ENDPOINT], percent=10))
    assert len(store.events()) == 2


@pytest.mark.parametrize(
    "change", ["percent = -1", "percent = 100.5", "percent = 'NaN'", "status = 'unknown'"]
)
def test_what_no_worker_could_apply_is_refused(store: Store, database: str, change: str) -> None:
    before = wrote(store, ACTIVE)
    with pytest.raises(errors.CheckViolation):
        query(database, f"UPDATE rollout_state SET {change}")
    assert store.read().states == {ENDPOINT: before}
    assert len(store.events()) == 1


def test_a_difference_that_is_accepted_for_ever_is_refused(store: Store, database: str) -> None:
    """No worker could read that moment, nor anything else in the same statement."""
    store.accept(DIFFERENCE)
    with pytest.raises(errors.CheckViolation):
        query(database, "UPDATE canary_accepted_difference SET expires_at = 'infinity'")


# Text of clients


ODD = ["\0", "nul\0nul", "\ud800", "\udfff", "区😀", "'; --", "%s %(n)s", "\\u0000", "x" * 9000]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_no_text_keeps_a_batch_from_being_counted(store: Store, odd: str) -> None:
    tally = Tally(requests=1, first_failed=odd, last_failed=odd)
    difference = MismatchTally(1, 0, [{odd: odd, "value": float("nan")}])
    counts = LedgerBatch(
        0,
        tallies={(ENDPOINT, "domain"): tally, (odd, odd): tally},
        mismatches={(odd, odd, odd): difference},
        branches={(odd, odd): 1},
    )
    said = heartbeat(odd, epochs={odd: 1}, totals=counts.tallies, vitals={odd: float("inf")})
    store.flush(said, 1, counts, age=1)
    assert summed(store.ledger(ALL))[ENDPOINT, "domain"].requests == 1
    assert [m.count for m in store.mismatches()] == list(store.branches().values()) == [1]
    assert len(store.ledger(ALL)) == 2


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_no_text_keeps_a_rollback_from_being_written(store: Store, odd: str) -> None:
    state = replace(ACTIVE, status=Status.ROLLED_BACK, reason=odd, by=odd)
    store.write(state, EventKind.ROLLBACK, {"requests": [odd]})
    store.append(RolloutEvent(endpoint=ENDPOINT, kind=EventKind.WARN, by=odd, reason=odd))
    assert store.read().states[ENDPOINT].status is Status.ROLLED_BACK
    assert len(store.events()) == 2


# Many workers


PATHS = [f"$.field{n}" for n in range(20)]
ARMS = ["domain", "legacy"]


def some(rng: random.Random, items: list[Any]) -> list[Any]:
    """Half of the items, in any order."""
    return rng.sample(items, len(items) // 2)


def random_batch(rng: random.Random, accepted: list[int]) -> LedgerBatch:
    """Some of what workers share, often of one kind only: else they would queue for the first."""
    kinds = rng.choice(["mismatches", "branches", "acceptances", "all of them"])
    counts = LedgerBatch(0)
    for arm in rng.sample(ARMS, 2):
        counts.tally(ENDPOINT, arm).add(Tally(requests=1, latency=latencies(rng.random())))
    if kinds in ("mismatches", "all of them"):
        for path in some(rng, PATHS):
            counts.mismatches[ENDPOINT, path, "value"] = MismatchTally(1, 2)
    if kinds in ("branches", "all of them"):
        counts.branches = {(ENDPOINT, path): 1 for path in some(rng, PATHS)}
    if kinds in ("acceptances", "all of them"):
        counts.acceptances = dict.fromkeys(some(rng, accepted), 1)
    return counts


def test_workers_that_flush_at_the_same_moment_neither_wait_in_a_circle_nor_lose_a_count(
    database: str,
) -> None:
    """They count the same mismatches, branches and acceptances, each in its own order."""
    rng = random.Random(20261123)
    with ExitStack() as stack:
        stores = [stack.enter_context(in_postgres(database)).store for _ in range(WORKERS)]
        accepted = [stores[0].accept(DIFFERENCE).id for _ in range(10)]
        batches = [[random_batch(rng, accepted) for _ in range(BATCHES)] for _ in stores]
        together = threading.Barrier(WORKERS)
        failures: list[Exception] = []

        def work(worker: int) -> None:
            together.wait()
            for number, each in enumerate(batches[worker], start=1):
                try:
                    stores[worker].flush(heartbeat(f"w{worker}"), number, each, age=number)
                except Exception as error:  # noqa: BLE001 - whatever it is, it fails the test
                    failures.append(error)

        threads = [threading.Thread(target=work, args=[worker]) for worker in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert_counted(stores[0], batches)


def assert_counted(store: Store, batches: list[list[LedgerBatch]]) -> None:
    total = LedgerBatch(0)
    for each in chain.from_iterable(batches):
        total.add(each)
    assert summed(store.ledger(ALL)) == total.tallies
    assert store.branches() == total.branches
    assert {d.id: d.used for d in store.accepted()} == total.acceptances
    assert {(m.endpoint, m.path, m.kind): (m.count, m.accepted) for m in store.mismatches()} == {
        key: (tally.count, tally.accepted) for key, tally in total.mismatches.items()
    }


def test_a_batch_sent_again_while_it_is_still_on_its_way_counts_once(database: str) -> None:
    """As when a worker has lost patience with its connection, but the server goes on."""
    sent = batch(requests=1)
    sent.branches[ENDPOINT, "b"] = 1
    with in_postgres(database) as first, in_postgres(database) as second:
        with closing(psycopg2.connect(database)) as blocking, blocking.cursor() as cursor:
            cursor.execute("INSERT INTO canary_branch VALUES (%s, 'b', 1, now())", [ENDPOINT])
            sending = [
                threading.Thread(target=s.store.flush, args=(heartbeat(), 1, sent, 1))
                for s in (first, second)
            ]
            for thread in sending:
                thread.start()
            wait_until(lambda: len(query(database, WAITING)) == 2)
            blocking.rollback()
        for thread in sending:
            thread.join()
        assert summed(first.store.ledger(ALL)) == {(ENDPOINT, "domain"): Tally(requests=1)}
        assert first.store.branches() == {(ENDPOINT, "b"): 1}


def test_a_flush_that_fails_has_counted_nothing_at_all(store: Store, database: str) -> None:
    query(database, "ALTER TABLE canary_branch ADD CONSTRAINT refused CHECK (count < 0)")
    sent = batch(requests=1)
    sent.add(mismatches(1))
    sent.branches[ENDPOINT, "b"] = 1
    try:
        with pytest.raises(errors.CheckViolation):
            store.flush(heartbeat(), 1, sent, age=1)
        assert (store.ledger(ALL), store.mismatches(), store.workers()) == ([], [], [])
    finally:
        query(database, "ALTER TABLE canary_branch DROP CONSTRAINT refused")
    store.flush(heartbeat(), 1, sent, age=1)
    assert summed(store.ledger(ALL)) == {(ENDPOINT, "domain"): Tally(requests=1)}


def test_more_rows_than_one_statement_removes_are_removed(store: Store, database: str) -> None:
    query(
        database,
        "INSERT INTO canary_ledger (bucket, worker, endpoint, arm)"
        " SELECT now() - interval '1 day', n, 'e', 'domain' FROM generate_series(1, 12000) n",
    )
    store.flush(heartbeat(), 1, batch(requests=1), age=1)
    assert store.prune(ALL / 2) == 12_000
    assert len(store.ledger(ALL * 2)) == 1


# The leader


@contextmanager
def worker_process(url: str) -> Iterator[subprocess.Popen[str]]:
    """Another worker, which asks all the time to lead; killed at the end."""
    arguments = [sys.executable, "-m", "tests.canary.leader_process", url]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def says(process: subprocess.Popen[str]) -> bool:
    """Whether it leads, by its next word."""
    output: IO[str] | None = process.stdout
    assert output is not None
    return {"True\n": True, "False\n": False}[output.readline()]


def takes_over(store: Store) -> float:
    """Seconds until `store` leads."""
    started = time.monotonic()
    wait_until(store.lead)
    return time.monotonic() - started


def test_one_leads_until_it_goes_away(database: str) -> None:
    with in_postgres(database) as second:
        with in_postgres(database) as first:
            assert [first.store.lead() for _ in range(3)] == [True] * 3
            assert not second.store.lead()
        assert takes_over(second.store) < TAKEN_OVER_WITHIN


def test_leading_lasts_through_everything_else_the_leader_does(database: str) -> None:
    with in_postgres(database) as first, in_postgres(database) as second:
        assert first.store.lead()
        first.store.flush(heartbeat(), 1, batch(requests=1), age=1)
        assert first.store.read().states == {}
        assert not second.store.lead()
        assert first.store.lead()


def end_session(url: str) -> None:
    query(
        url,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks"
        " WHERE locktype = 'advisory' AND granted",
    )


def test_a_leader_that_lost_its_session_knows_that_it_leads_no_more(database: str) -> None:
    with in_postgres(database) as first, in_postgres(database) as second:
        assert first.store.lead()
        end_session(database)
        assert second.store.lead()
        assert not first.store.lead()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_another_worker_leads_within_3_s_of_the_leaders_end(
    store: Store, database: str, number: int
) -> None:
    with worker_process(database) as leader:
        assert says(leader)
        assert not store.lead()
        os.kill(leader.pid, number)
        assert takes_over(store) < TAKEN_OVER_WITHIN


def test_a_leader_that_thaws_knows_that_it_leads_no_more(store: Store, database: str) -> None:
    with worker_process(database) as leader:
        assert says(leader)
        os.kill(leader.pid, signal.SIGSTOP)
        takes_over(store)
        os.kill(leader.pid, signal.SIGCONT)
        wait_until(lambda: not says(leader))
        assert store.lead()


# Without migrations


def described(url: str) -> list[tuple[Any, ...]]:
    """Every column, constraint, index, trigger and function of the canary's tables."""
    return query(
        url,
        """
        SELECT table_name, column_name, data_type, is_nullable, column_default
        FROM information_schema.columns WHERE table_name ~ '^(canary|rollout)_'
        UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', ''
        FROM pg_constraint WHERE conrelid::regclass::text ~ '^(canary|rollout)_'
        UNION ALL SELECT tablename, indexname, indexdef, '', ''
        FROM pg_indexes WHERE tablename ~ '^(canary|rollout)_'
        UNION ALL SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), '', ''
        FROM pg_trigger WHERE tgrelid = 'rollout_state'::regclass
        UNION ALL SELECT 'function', proname, pg_get_functiondef(oid), '', ''
        FROM pg_proc WHERE proname ~ '^rollout_'
        ORDER BY 1, 2, 3
        """,
    )


def test_an_application_without_migrations_makes_the_same_tables(
    database_url: str, new_database: Callable[[str], str]
) -> None:
    url = new_database("library")
    engine = create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(url))
    tables.metadata.create_all(engine)
    engine.dispose()
    assert described(url) == described(database_url)


ROLLED_BACK = "INSERT INTO rollout_state (endpoint, percent, status) VALUES (%s, 50, 'rolled_back')"
DEFAULT_AT_50 = "INSERT INTO rollout_state (endpoint, percent) VALUES ('*', 50)"
REMOVALS = ["DELETE FROM rollout_state", "TRUNCATE rollout_state"]


@pytest.mark.parametrize("remove", REMOVALS)
def test_an_endpoint_stays_rolled_back_when_its_row_is_removed(
    store: Store, database: str, remove: str
) -> None:
    query(database, DEFAULT_AT_50)
    query(database, ROLLED_BACK, ENDPOINT)
    before = store.read().states[ENDPOINT]
    query(database, remove)
    after = effective(store.read().states, ENDPOINT)
    assert after.status is Status.ROLLED_BACK
    assert after.epoch > before.epoch
    event = store.events(ENDPOINT)[0]
    assert (event.kind, event.epoch) == (EventKind.ROLLBACK, after.epoch)
    assert event.by.startswith("sql:")
    assert "deleted" in event.reason


@pytest.mark.parametrize("remove", ["DELETE FROM rollout_state WHERE endpoint <> '*'", *REMOVALS])
def test_removed_rows_raise_no_exposure(store: Store, database: str, remove: str) -> None:
    query(database, DEFAULT_AT_50)
    query(database, "INSERT INTO rollout_state (endpoint, percent) VALUES (%s, 10)", ENDPOINT)
    query(database, remove)
    assert effective(store.read().states, ENDPOINT).percent <= 10
    assert store.events(ENDPOINT)[0].reason.startswith("its row was deleted")


@pytest.mark.parametrize("remove", REMOVALS)
def test_an_epoch_is_never_used_twice(store: Store, database: str, remove: str) -> None:
    first = wrote(store, ACTIVE)
    query(database, remove)
    again = wrote(store, replace(first, epoch=0))
    assert again.epoch > first.epoch
    epochs = [event.epoch for event in store.events(ENDPOINT)]
    assert len(epochs) == len(set(epochs)) == 3


def test_a_worker_that_read_a_removed_row_cannot_write_over_a_new_one(
    store: Store, database: str
) -> None:
    first = wrote(store, ACTIVE)
    query(database, "DELETE FROM rollout_state")
    wrote(store, replace(first, epoch=0))
    with pytest.raises(StaleEpochError):
        store.write(first, EventKind.SET, {})
