"""What every store promises; each implementation runs this suite."""

import random
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from detection_api.canary.state.histogram import percentile
from detection_api.canary.state.ledger import MAX_SAMPLES, LedgerBatch, MismatchTally, Tally
from detection_api.canary.state.store import StaleEpochError, Store
from detection_api.canary.state.types import (
    DEFAULT,
    AcceptedDifference,
    EventKind,
    RolloutEvent,
    RolloutState,
    Shared,
    Status,
    Usage,
    effective,
)
from tests.canary.stores import (
    ALL,
    ENDPOINT,
    StoreUnderTest,
    batch,
    heartbeat,
    latencies,
    mismatches,
    summed,
)

ACTIVE = RolloutState(endpoint=ENDPOINT, percent=25, reason="stage 2", by="ann")
DIFFERENCE = AcceptedDifference(
    endpoint=ENDPOINT,
    path="$.fps",
    kind="type",
    reason="rounded since 2.0",
    by="ann",
    expires_at=datetime.now(UTC) + timedelta(days=1),
)


def wrote(store: Store, state: RolloutState, kind: EventKind = EventKind.SET) -> RolloutState:
    return store.write(state, kind, {})


def rolled_back(store: Store) -> RolloutState:
    state = replace(wrote(store, ACTIVE), status=Status.ROLLED_BACK, reason="7 in a row")
    return wrote(store, state, EventKind.ROLLBACK)


# State


def test_a_store_starts_empty(store: Store) -> None:
    assert store.read() == Shared(states={}, accepted=())
    assert (store.events(), store.ledger(ALL), store.workers()) == ([], [], [])
    assert (store.mismatches(), store.branches(), store.accepted()) == ([], {}, [])


def test_what_is_written_is_read_at_the_next_epoch(store: Store) -> None:
    written = wrote(store, ACTIVE)
    assert written == replace(ACTIVE, epoch=1, at=written.at)
    assert written.at is not None
    assert abs(datetime.now(UTC) - written.at) < timedelta(seconds=10)
    assert store.read().states == {ENDPOINT: written}
    assert wrote(store, replace(written, percent=50)).epoch == 2


def test_an_endpoint_without_a_state_of_its_own_has_the_defaults_percent(store: Store) -> None:
    wrote(store, RolloutState(endpoint=DEFAULT, percent=10))
    wrote(store, ACTIVE)
    states = store.read().states
    assert effective(states, ENDPOINT).percent == 25
    assert effective(states, "cameras.cameras").percent == 10


def test_a_write_based_on_an_old_state_is_refused_and_leaves_no_event(store: Store) -> None:
    first = wrote(store, ACTIVE)
    second = wrote(store, replace(first, percent=0))
    with pytest.raises(StaleEpochError):
        wrote(store, replace(first, percent=50))
    assert store.read().states == {ENDPOINT: second}
    assert len(store.events()) == 2


@pytest.mark.parametrize("epoch", [1, 7])
def test_a_write_based_on_a_state_that_is_not_there_is_refused(store: Store, epoch: int) -> None:
    with pytest.raises(StaleEpochError):
        wrote(store, replace(ACTIVE, epoch=epoch))
    assert (store.read().states, store.events()) == ({}, [])


@pytest.mark.parametrize("epoch", [0, 1])
def test_of_many_who_write_at_the_same_moment_one_wins(store: Store, epoch: int) -> None:
    for _ in range(epoch):
        wrote(store, ACTIVE)
    won: list[RolloutState] = []
    together = threading.Barrier(4)

    def write(percent: int) -> None:
        together.wait()
        try:
            won.append(wrote(store, replace(ACTIVE, percent=percent, epoch=epoch)))
        except StaleEpochError:
            return

    threads = [threading.Thread(target=write, args=[percent]) for percent in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.read().states == {ENDPOINT: won[0]}
    assert (len(won), won[0].epoch, len(store.events())) == (1, epoch + 1, epoch + 1)


def test_a_rollback_that_is_taken_back_says_since_when_evidence_counts(store: Store) -> None:
    latched = rolled_back(store)
    assert latched.resumed_at is None
    resumed = wrote(store, replace(latched, status=Status.ACTIVE), EventKind.RESUME)
    assert resumed.resumed_at is not None
    assert abs(datetime.now(UTC) - resumed.resumed_at) < timedelta(seconds=10)
    assert store.read().states == {ENDPOINT: resumed}


def test_a_held_endpoint_keeps_its_percent_and_its_evidence(store: Store) -> None:
    held = wrote(store, replace(wrote(store, ACTIVE), status=Status.HELD), EventKind.HOLD)
    assert store.read().states == {ENDPOINT: held}
    assert held.status.exposes
    assert wrote(store, replace(held, status=Status.ACTIVE)).resumed_at is None


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.HELD])
def test_any_end_of_a_rollback_says_since_when_evidence_counts(
    store: Store, status: Status
) -> None:
    assert wrote(store, replace(rolled_back(store), status=status)).resumed_at is not None


@pytest.mark.parametrize(
    ("default", "own", "applies"),
    [
        (Status.ROLLED_BACK, Status.ACTIVE, Status.ROLLED_BACK),
        (Status.ROLLED_BACK, Status.HELD, Status.ROLLED_BACK),
        (Status.HELD, Status.ACTIVE, Status.HELD),
        (Status.HELD, Status.ROLLED_BACK, Status.ROLLED_BACK),
        (Status.ACTIVE, Status.HELD, Status.HELD),
    ],
)
def test_what_is_done_to_the_default_is_done_to_every_endpoint(
    default: Status, own: Status, applies: Status
) -> None:
    states = {
        DEFAULT: RolloutState(endpoint=DEFAULT, percent=100, status=default, reason="all of them"),
        ENDPOINT: replace(ACTIVE, status=own, reason="this one"),
    }
    found = effective(states, ENDPOINT)
    assert (found.status, found.percent) == (applies, ACTIVE.percent)
    assert found.reason == ("this one" if applies is own else "all of them")


def test_a_resumed_default_counts_for_every_endpoint() -> None:
    earlier, later = datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC)
    default = RolloutState(endpoint=DEFAULT, resumed_at=later)
    own = replace(ACTIVE, resumed_at=earlier)
    assert effective({DEFAULT: default}, ENDPOINT).resumed_at == later
    assert effective({DEFAULT: default, ENDPOINT: own}, ENDPOINT).resumed_at == later
    assert effective({ENDPOINT: own}, ENDPOINT).resumed_at == earlier


def test_any_other_change_leaves_the_moment_of_the_last_resume(store: Store) -> None:
    resumed = wrote(store, replace(rolled_back(store), status=Status.ACTIVE), EventKind.RESUME)
    raised = wrote(store, replace(resumed, percent=50, resumed_at=None))
    again = wrote(store, replace(raised, status=Status.ROLLED_BACK), EventKind.ROLLBACK)
    assert raised.resumed_at == again.resumed_at == resumed.resumed_at


# Events


def test_every_write_leaves_its_event_newest_first(store: Store) -> None:
    first = store.write(ACTIVE, EventKind.SET, {"stage": 2})
    state = replace(first, status=Status.ROLLED_BACK, by="guard", reason="7 in a row")
    store.write(state, EventKind.ROLLBACK, {"points": 133, "requests": ["r1", "r7"]})
    rollback, change = store.events()
    assert (change.kind, change.by, change.reason) == (EventKind.SET, "ann", "stage 2")
    assert (change.epoch, change.evidence) == (1, {"stage": 2})
    assert (rollback.kind, rollback.by, rollback.reason) == (
        EventKind.ROLLBACK,
        "guard",
        "7 in a row",
    )
    assert (rollback.epoch, rollback.evidence) == (2, {"points": 133, "requests": ["r1", "r7"]})
    assert rollback.id > change.id
    assert rollback.at is not None
    assert change.at is not None
    assert rollback.at >= change.at


def test_an_event_can_be_told_that_changes_no_state(store: Store) -> None:
    warning = RolloutEvent(
        endpoint=ENDPOINT, kind=EventKind.WARN, by="guard", reason="slow", epoch=3
    )
    store.append(warning)
    (told,) = store.events()
    assert told == replace(warning, id=told.id, at=told.at)
    assert store.read().states == {}


def test_events_are_limited_and_of_one_endpoint_where_asked(store: Store) -> None:
    for n in range(5):
        store.append(
            RolloutEvent(endpoint=f"e{n % 2}", kind=EventKind.HOLD, by="guard", reason=str(n))
        )
    assert [event.reason for event in store.events(limit=3)] == ["4", "3", "2"]
    assert [event.reason for event in store.events("e1")] == ["3", "1"]
    assert [event.reason for event in store.events("e0", limit=1)] == ["4"]


def test_events_are_read_on_from_where_a_page_ended(store: Store) -> None:
    written = [
        store.append(
            RolloutEvent(endpoint=f"e{n % 2}", kind=EventKind.HOLD, by="guard", reason=str(n))
        )
        for n in range(5)
    ]
    last = store.events(limit=2)[-1]
    assert [event.reason for event in store.events(before=last.id)] == ["2", "1", "0"]
    assert [event.reason for event in store.events("e0", before=last.id)] == ["2", "0"]
    assert store.events(before=written[0].id) == []


def test_the_events_of_a_run_are_found_by_its_start(store: Store) -> None:
    def told(kind: EventKind, run: int) -> RolloutEvent:
        return store.append(RolloutEvent(endpoint="*", kind=kind, by="run", reason="", run=run))

    first, second = told(EventKind.START, 0), told(EventKind.START, 0)
    store.write(ACTIVE, EventKind.STAGE, {}, run=second.id)
    end = told(EventKind.END, first.id)
    assert [e.id for e in store.events(run=first.id)] == [end.id, first.id]
    assert [e.kind for e in store.events(run=second.id)] == [EventKind.STAGE, EventKind.START]
    assert store.events(ENDPOINT, run=first.id) == []
    assert len(store.events(limit=None)) == 4


# The ledger


@pytest.mark.parametrize("number", [2, 1])
def test_a_batch_counts_once_however_often_it_is_sent(store: Store, number: int) -> None:
    difference = store.accept(DIFFERENCE)
    sent = batch(requests=1)
    sent.add(mismatches(1, {"domain": 1}))
    sent.branches[ENDPOINT, "$.notes: null"] = 1
    sent.acceptances[difference.id] = 1
    store.flush(heartbeat(), 2, sent, age=1)
    store.flush(heartbeat(), number, sent, age=1)
    assert summed(store.ledger(ALL)) == {(ENDPOINT, "domain"): Tally(requests=1)}
    assert [(m.count, m.samples) for m in store.mismatches()] == [(1, [{"domain": 1}])]
    assert store.branches() == {(ENDPOINT, "$.notes: null"): 1}
    assert [d.used for d in store.accepted()] == [1]


def test_every_worker_numbers_its_own_batches(store: Store) -> None:
    for worker in ("w1", "w2"):
        store.flush(heartbeat(worker), 1, batch(requests=1), age=1)
    assert summed(store.ledger(ALL)) == {(ENDPOINT, "domain"): Tally(requests=2)}


def test_a_bucket_adds_up_batches_and_workers(store: Store) -> None:
    for number, worker in enumerate(["w1", "w2"] * 10, start=1):
        counts = batch(requests=number, forced=1, dropped=2)
        counts.tally(ENDPOINT, "legacy").requests = 1
        store.flush(heartbeat(worker), number, counts, age=3600)
    rows = store.ledger(ALL)
    assert len({row.bucket for row in rows}) <= 2
    assert len({(row.bucket, row.arm) for row in rows}) == len(rows)
    assert summed(rows) == {
        (ENDPOINT, "domain"): Tally(requests=210, forced=20, dropped=40),
        (ENDPOINT, "legacy"): Tally(requests=20),
    }


def test_what_waited_for_the_store_is_counted_when_it_was(store: Store) -> None:
    store.flush(heartbeat(), 1, batch(requests=1), age=1000)
    ((row,), now) = store.ledger(ALL), datetime.now(UTC)
    assert timedelta(seconds=999) < now - row.bucket < timedelta(seconds=1020)
    assert row.bucket.timestamp() % 10 == 0


def test_the_ledger_is_read_from_any_moment_on_oldest_first(store: Store) -> None:
    for number, age in enumerate([100, 5000, 2000], start=1):
        store.flush(heartbeat(), number, batch(requests=age), age=age)
    rows = store.ledger(ALL)
    assert [row.tally.requests for row in rows] == [5000, 2000, 100]
    assert store.ledger(rows[1].bucket) == rows[1:]
    assert store.ledger(rows[1].bucket + timedelta(microseconds=1)) == rows[2:]
    assert store.ledger(timedelta(seconds=3000)) == rows[1:]
    assert store.ledger(rows[0].bucket, rows[2].bucket) == rows[:2]
    assert store.ledger(timedelta()) == []


def test_the_ledger_is_added_up_to_wider_buckets(store: Store) -> None:
    for number, age in enumerate([6900, 6950, 100], start=1):
        counted = batch(requests=number, errors=1)
        counted.tally(ENDPOINT, "domain").latency = latencies(0.1 * number)
        store.flush(heartbeat(), number, counted, age=age)
    hour = timedelta(hours=1)
    rows = store.ledger(ALL, width=hour)
    assert {row.bucket.timestamp() % 3600 for row in rows} == {0}
    assert summed(rows) == summed(store.ledger(ALL))
    assert rows[-1].tally == store.ledger(ALL)[-1].tally
    century = store.ledger(ALL, width=timedelta(days=36_525))
    assert [row.tally.requests for row in century] == [6]
    assert sum(century[0].tally.latency.values()) == 3


def test_the_ledger_is_read_for_one_endpoint_alone(store: Store) -> None:
    other = LedgerBatch(0, tallies={("statistics.daily", "legacy"): Tally(requests=2)})
    store.flush(heartbeat(), 1, batch(requests=1), age=0)
    store.flush(heartbeat(), 2, other, age=0)
    assert summed(store.ledger(ALL, endpoint=ENDPOINT)) == {(ENDPOINT, "domain"): Tally(requests=1)}
    assert store.ledger(ALL, endpoint="cameras.cameras") == []


def test_usage_tells_how_often_an_arm_was_asked_and_when_last_in_which_way(store: Store) -> None:
    counts = [
        Tally(requests=3, errors=1, latency=latencies(0.1), first_failed="a", last_failed="a"),
        Tally(requests=2, forced=2),
        Tally(fallbacks=4),
        Tally(requests=1),
    ]
    for number, (tally, age) in enumerate(zip(counts, [4000, 300, 200, 100], strict=True), 1):
        arm = "legacy" if tally.fallbacks else "domain"
        store.flush(heartbeat(), number, LedgerBatch(0, tallies={(ENDPOINT, arm): tally}), age=age)
    oldest, forced, fell_back, newest = (row.bucket for row in store.ledger(ALL))
    domain, legacy = store.usage(ALL)
    assert domain == Usage(
        endpoint=ENDPOINT,
        arm="domain",
        tally=Tally(requests=6, forced=2, errors=1),
        since=oldest,
        decided_at=newest,
        forced_at=forced,
    )
    assert (legacy.tally, legacy.decided_at, legacy.fell_back_at) == (
        Tally(fallbacks=4),
        None,
        fell_back,
    )
    assert [usage.since for usage in store.usage(forced)] == [forced, fell_back]
    assert store.usage(timedelta()) == []


@pytest.mark.parametrize("percent", [50, 95, 99, 100])
def test_merged_percentiles_are_those_of_all_observations(store: Store, percent: float) -> None:
    rng = random.Random(20261123)
    seconds = [rng.lognormvariate(-4, 1.5) for _ in range(1000)]
    for number in range(10):
        part = Tally(latency=latencies(*seconds[number::10]))
        counts = LedgerBatch(0, tallies={(ENDPOINT, "domain"): part})
        store.flush(heartbeat(f"w{number % 3}"), number + 1, counts, age=number * 20)
    merged = summed(store.ledger(ALL))[ENDPOINT, "domain"].latency
    assert merged == latencies(*seconds)
    observed = sorted(seconds)[int(len(seconds) * percent / 100) - 1]
    assert percentile(merged, percent) == pytest.approx(observed, rel=0.0501)


def test_how_long_comparisons_took_is_not_mixed_with_what_clients_waited(store: Store) -> None:
    for number, shadow in enumerate((latencies(0.5), latencies(0.5, 2.0)), 1):
        part = Tally(requests=1, latency=latencies(0.01), shadow=shadow)
        store.flush(
            heartbeat(), number, LedgerBatch(0, tallies={(ENDPOINT, "legacy"): part}), age=0
        )
    tally = summed(store.ledger(ALL))[ENDPOINT, "legacy"]
    assert tally.latency == latencies(0.01, 0.01)
    assert tally.shadow == latencies(0.5, 0.5, 2.0)


def test_the_stores_clock_is_that_of_what_it_writes(store: Store) -> None:
    before = store.now()
    written = wrote(store, ACTIVE).at
    assert written is not None
    assert before <= written <= store.now()


def test_the_first_and_the_last_failure_of_a_bucket_are_kept(store: Store) -> None:
    failures = [("", ""), ("r1", "r2"), ("", ""), ("r3", "r4")]
    for number, (first, last) in enumerate(failures, start=1):
        tally = Tally(bad=1, first_failed=first, last_failed=last)
        counts = LedgerBatch(0, tallies={(ENDPOINT, "domain"): tally})
        store.flush(heartbeat(), number, counts, age=3600)
    rows = store.ledger(ALL)
    assert (rows[0].tally.first_failed, rows[-1].tally.last_failed) == ("r1", "r4")


def test_any_workers_failures_are_named_where_only_some_have_any(store: Store) -> None:
    for worker, request in (("w1", ""), ("w2", "r1"), ("w3", "")):
        tally = Tally(requests=1, first_failed=request, last_failed=request)
        counts = LedgerBatch(0, tallies={(ENDPOINT, "domain"): tally})
        store.flush(heartbeat(worker), 1, counts, age=3600)
    tally = summed(store.ledger(ALL))[ENDPOINT, "domain"]
    assert (tally.first_failed, tally.last_failed) == ("r1", "r1")


def test_a_batch_may_be_empty_and_is_kept_apart_from_what_is_stored(store: Store) -> None:
    store.flush(heartbeat(), 1, LedgerBatch(0), age=1)
    counts = batch(requests=1)
    store.flush(heartbeat(), 2, counts, age=1)
    counts.tallies[ENDPOINT, "domain"].requests = 1000
    (row,) = store.ledger(ALL)
    row.tally.requests = 1000
    assert summed(store.ledger(ALL)) == {(ENDPOINT, "domain"): Tally(requests=1)}


def test_old_rows_of_the_ledger_are_removed_on_demand(store: Store) -> None:
    for number, age in enumerate([10, 5000, 9000], start=1):
        store.flush(heartbeat(), number, batch(requests=age), age=age)
    assert store.prune(timedelta(hours=1)) == 2
    assert [row.tally.requests for row in store.ledger(ALL)] == [10]
    assert store.prune(timedelta(hours=1)) == 0


# Mismatches and branches


def test_mismatches_add_up_and_keep_the_first_samples(store: Store) -> None:
    numbered = iter(range(100))
    for number, size in enumerate([1, 3, 4], start=1):
        samples = [{"domain": next(numbered)} for _ in range(size)]
        store.flush(heartbeat(f"w{number}"), 1, mismatches(10 * size, *samples), age=1)
    (found,) = store.mismatches()
    assert (found.endpoint, found.path, found.kind) == (ENDPOINT, "$.fps", "type")
    assert (found.count, found.accepted) == (80, 0)
    assert found.samples == [{"domain": n} for n in range(MAX_SAMPLES)]


def test_mismatches_tell_since_when_and_until_when_they_were_seen(store: Store) -> None:
    for number, age in enumerate([500, 2000, 1000], start=1):
        store.flush(heartbeat(), number, mismatches(1), age=age)
    (found,), now = store.mismatches(), datetime.now(UTC)
    assert abs(now - found.first_seen - timedelta(seconds=2000)) < timedelta(seconds=10)
    assert abs(now - found.last_seen - timedelta(seconds=500)) < timedelta(seconds=10)


def test_accepted_differences_are_counted_apart(store: Store) -> None:
    tally = MismatchTally(count=2, accepted=5)
    for number in (1, 2):
        counts = LedgerBatch(0, mismatches={(ENDPOINT, "$", "order"): tally})
        store.flush(heartbeat(), number, counts, age=1)
    (found,) = store.mismatches()
    assert (found.count, found.accepted) == (4, 10)


def test_the_most_frequent_mismatch_comes_first_and_others_are_left_out(store: Store) -> None:
    for number, (path, count) in enumerate({"$.a": 1, "$.b": 3, "$.c": 2}.items(), start=1):
        store.flush(heartbeat(), number, mismatches(count, path=path), age=1)
    assert [found.path for found in store.mismatches()] == ["$.b", "$.c", "$.a"]
    assert store.mismatches(ENDPOINT) == store.mismatches()
    assert store.mismatches("cameras.cameras") == []


def test_branches_add_up_over_workers(store: Store) -> None:
    counts = LedgerBatch(0, branches={(ENDPOINT, "$[*]: some"): 2, (ENDPOINT, "$[*]: none"): 1})
    for worker in ("w1", "w2"):
        store.flush(heartbeat(worker), 1, counts, age=1)
    assert store.branches() == {(ENDPOINT, "$[*]: some"): 4, (ENDPOINT, "$[*]: none"): 2}


# Accepted differences


def test_an_accepted_difference_is_read_by_workers_until_it_expires(
    under_test: StoreUnderTest,
) -> None:
    store = under_test.store
    lasting = store.accept(replace(DIFFERENCE, expires_at=datetime.now(UTC) + timedelta(days=9)))
    expiring = store.accept(DIFFERENCE)
    assert expiring == replace(DIFFERENCE, id=expiring.id, created_at=expiring.created_at)
    assert store.read().accepted == (lasting, expiring)
    under_test.pass_time(timedelta(days=2))
    assert [difference.id for difference in store.read().accepted] == [lasting.id]
    assert [difference.id for difference in store.accepted()] == [lasting.id, expiring.id]


def test_a_withdrawn_difference_is_gone(store: Store) -> None:
    first, second = store.accept(DIFFERENCE), store.accept(DIFFERENCE)
    assert store.withdraw(first.id)
    assert not store.withdraw(first.id)
    assert store.accepted() == [second]
    assert store.read().accepted == (second,)


def test_uses_of_an_accepted_difference_are_counted(store: Store) -> None:
    unused, used = store.accept(DIFFERENCE), store.accept(DIFFERENCE)
    for number, age in enumerate([500, 1000], start=1):
        counts = LedgerBatch(0, acceptances={used.id: 3})
        store.flush(heartbeat(), number, counts, age=age)
    (never, often), now = store.accepted(), datetime.now(UTC)
    assert never == unused
    assert (never.used, never.last_used_at, often.used) == (0, None, 6)
    assert often.last_used_at is not None
    assert abs(now - often.last_used_at - timedelta(seconds=500)) < timedelta(seconds=10)


def test_uses_of_a_difference_that_was_withdrawn_meanwhile_do_not_matter(store: Store) -> None:
    gone = store.accept(DIFFERENCE)
    store.withdraw(gone.id)
    counts = batch(requests=1)
    counts.acceptances[gone.id] = 1
    store.flush(heartbeat(), 1, counts, age=1)
    assert store.accepted() == []
    assert summed(store.ledger(ALL)) == {(ENDPOINT, "domain"): Tally(requests=1)}


# Workers


def test_workers_are_known_by_their_last_word(store: Store) -> None:
    totals = {(ENDPOINT, "domain"): Tally(requests=9, latency={-3: 9}, first_failed="r1")}
    for number, requests in enumerate([1, 9], start=1):
        said = heartbeat(
            uptime=100.5 + number,
            epochs={ENDPOINT: number},
            totals={(ENDPOINT, "domain"): replace(totals[ENDPOINT, "domain"], requests=requests)},
            vitals={"memory": 1.5e9},
        )
        store.flush(said, number, LedgerBatch(0), age=1)
    store.flush(heartbeat("w2"), 1, LedgerBatch(0), age=1)
    first, second = store.workers()
    assert (first.heartbeat.worker, second.heartbeat.worker) == ("w1", "w2")
    assert first.heartbeat.uptime == pytest.approx(102.5)
    assert first.heartbeat.epochs == {ENDPOINT: 2}
    assert first.heartbeat.totals == totals
    assert first.heartbeat.vitals == {"memory": 1.5e9}
    assert 0 <= second.silent <= first.silent < 10


def test_a_worker_is_forgotten_a_minute_after_its_last_word(under_test: StoreUnderTest) -> None:
    under_test.store.flush(heartbeat("gone"), 1, LedgerBatch(0), age=1)
    under_test.pass_time(timedelta(seconds=50))
    under_test.store.flush(heartbeat("here"), 1, LedgerBatch(0), age=1)
    silent = {w.heartbeat.worker: w.silent for w in under_test.store.workers()}
    assert silent == {"gone": pytest.approx(50, abs=5), "here": pytest.approx(0, abs=5)}
    under_test.pass_time(timedelta(seconds=11))
    assert [w.heartbeat.worker for w in under_test.store.workers()] == ["here"]


def test_a_batch_is_known_for_a_day_to_have_been_counted(under_test: StoreUnderTest) -> None:
    store = under_test.store
    for passed in (timedelta(hours=23), timedelta(hours=1)):
        store.flush(heartbeat(), 1, batch(requests=1), age=1)
        under_test.pass_time(passed)
        store.prune(timedelta(days=9))
    assert summed(store.ledger(timedelta(days=9))) == {(ENDPOINT, "domain"): Tally(requests=1)}
    store.flush(heartbeat(), 1, batch(requests=1), age=1)
    assert len(store.workers()) == 1


def test_the_only_worker_leads(store: Store) -> None:
    assert store.lead()
    assert store.lead()
