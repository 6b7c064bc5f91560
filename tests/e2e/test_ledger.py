"""Every answer that a client got is in the ledger once, whatever dies or hangs meanwhile."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.e2e.fleet import Fleet
from tests.e2e.instance import PATHS, Load, wait_for
from tests.e2e.ledger_support import (
    APP,
    EVERY_WAY,
    Answer,
    Books,
    frozen,
    measured,
    told,
)
from tests.factory import World

pytestmark = pytest.mark.fleet

WITHOUT_SQL = PATHS[2:]
"""What legacy answers without PostgreSQL."""
UNFLUSHED = 2.0
"""Seconds that a killed worker takes with it: one, on a machine that is not busy."""
AWAY = 20.0
"""Seconds that PostgreSQL is gone."""
FROZEN = 5.0
"""Seconds that PostgreSQL is frozen."""
UNNOTICED = 0.25
"""Seconds within which requests are answered that do not wait for the store: it takes 1 s."""


@pytest.fixture(scope="module")
def running(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    """Two instances of four workers, and everything their clients were ever answered."""
    with Fleet(tmp_path_factory.mktemp("ledger"), world.environ, APP, "a", "b") as fleet:
        yield Books(fleet)


@pytest.fixture
def books(running: Books) -> Books:
    """Half of everything on a domain that fails now and then, but for what is judged by none."""
    running.fleet.reset(50)
    running.fleet.break_domain("raises", share=0.02)
    return running


def reasons(books: Books) -> set[str]:
    return {answer.who.split("; ")[1] for answer in books.answers}


def test_all_that_clients_were_answered_is_in_the_ledger_once(books: Books) -> None:
    with books.load(clients=8, paths=EVERY_WAY) as load:
        wait_for(lambda: "reason=fallback" in reasons(books), "the domain fails once")
        load.more(1000)
    assert load.lost == []
    assert {"reason=rollout", "reason=holdout", "reason=forced"} < reasons(books)
    assert {answer.status for answer in books.answers} == {200, 404}
    assert {answer.worker for answer in books.answers} == books.fleet.workers
    books.assert_agree()


def test_workers_that_a_hup_replaces_have_told_everything(books: Books) -> None:
    instance, _ = books.fleet.instances
    with books.load(clients=8, paths=EVERY_WAY) as load:
        load.more(200)
        before = instance.workers
        instance.reload()
        instance.wait_until_renewed(before)
        load.more(200)
    assert load.lost == []
    books.assert_agree()


def test_a_worker_that_is_asked_to_end_has_told_everything(books: Books) -> None:
    instance, _ = books.fleet.instances
    with books.load(clients=8, paths=EVERY_WAY) as load:
        load.more(200)
        worker = min(instance.workers)
        os.kill(worker, signal.SIGTERM)
        instance.wait_until_renewed({worker})
        wait_for(lambda: len(instance.workers) == 4, "another worker has its place")
        load.more(200)
    assert load.lost == []
    books.assert_agree()


@pytest.mark.parametrize("who", ["a worker", "the leader"])
def test_a_killed_worker_takes_its_last_unflushed_second_and_nothing_else(
    books: Books, who: str
) -> None:
    leader = books.fleet.leader()
    victim = leader if who == "the leader" else min(books.fleet.workers - {leader})
    with books.load(clients=8, paths=EVERY_WAY) as load:
        wait_for(lambda: seconds_served(load, victim) > 2 * UNFLUSHED, "it has told some of it")
        os.kill(victim, signal.SIGKILL)
        killed_at = time.time()
        load.more(500)
    assert len(load.lost) <= load.clients, "each client can have had one request in flight"
    books.assert_agree(but=victim)

    its_own = [answer for answer in books.answers if answer.worker == victim]
    last = [answer for answer in its_own if answer.answered_at >= killed_at - UNFLUSHED]
    written = books.ledger()
    missing = told(its_own) - written
    requests = sum(n for (*_, what), n in missing.items() if what == "requests")
    measured(f"requests that {who} took with it, of {len(last)} in its last seconds", requests)
    safe = [answer for answer in its_own if answer not in last]
    assert told(safe) - written == {}
    books.forget(victim)


def seconds_served(load: Load, worker: int) -> float:
    """For how long clients have known of this worker."""
    answers = [a for a in list(load.replies) if isinstance(a, Answer) and a.worker == worker]
    return answers[-1].answered_at - answers[0].answered_at if answers else 0


def test_a_killed_valkey_changes_no_count(books: Books, world: World) -> None:
    port = int(world.environ["REDIS_URL"].rsplit(":", 1)[1])
    with books.load(clients=8, paths=EVERY_WAY) as load:
        load.more(200)
        os.kill(world.valkey.pid, signal.SIGKILL)
        load.more(500)
        world.valkey.start(port)
        load.more(200)
    assert load.lost == []
    assert {answer.status for answer in books.answers} <= {200, 404, 503}
    books.assert_agree()


def test_a_killed_postgresql_costs_the_ledger_nothing(books: Books, world: World) -> None:
    with books.load(clients=4, paths=WITHOUT_SQL) as load, books.load(clients=2) as others:
        load.more(200)
        os.kill(world.postgres.pid, signal.SIGKILL)
        killed_at = time.monotonic()
        others.more(50)
        wait_for(lambda: time.monotonic() > killed_at + AWAY, "PostgreSQL has been away")
        world.postgres.start()
        load.more(200)
    assert load.lost == others.lost == []
    assert {reply.status for reply in load.replies} == {200}
    assert "reason=outage" in reasons(books)
    returned_at = time.monotonic()
    books.assert_agree()
    measured("answers while PostgreSQL was away, and around", len(load.replies + others.replies))
    measured("seconds until all of it was told", time.monotonic() - returned_at)


def test_sessions_that_end_at_any_moment_cost_the_ledger_nothing(books: Books) -> None:
    """A flush whose session ended may or may not have been done; it is counted once."""
    ended = 0
    with books.load(clients=4, paths=EVERY_WAY) as load:
        ends_at = time.monotonic() + FROZEN
        while time.monotonic() < ends_at:
            ended += len(books.fleet.sql(END_SESSIONS))
        load.more(50)
    assert load.lost == []
    measured("sessions ended", ended)
    books.assert_agree()


END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'detection-api canary'"
)


def test_a_frozen_postgresql_costs_the_ledger_nothing_and_no_client_a_moment(
    books: Books, world: World
) -> None:
    books.fleet.reset(0)
    with books.load(clients=4, paths=WITHOUT_SQL) as load:
        load.more(100)
        with frozen(world):
            frozen_at = time.monotonic()
            wait_for(lambda: time.monotonic() > frozen_at + FROZEN, "it was frozen for long")
        load.more(100)
    assert load.lost == []
    waited = sorted(a.seconds for a in load.replies if isinstance(a, Answer))
    measured("seconds that 19 of 20 were answered in", waited[len(waited) * 19 // 20])
    measured("seconds that the slowest was answered in", waited[-1])
    assert waited[len(waited) * 19 // 20] < UNNOTICED
    books.assert_agree()


def test_a_fleet_that_is_stopped_has_told_everything(books: Books) -> None:
    """The last one here: it ends the instances."""
    with books.load(clients=8, paths=EVERY_WAY) as load:
        load.more(500)
    assert load.lost == []
    for instance in books.fleet.instances:
        instance.stop()
    books.assert_agree_now()
