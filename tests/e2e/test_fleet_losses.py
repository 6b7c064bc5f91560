"""A fleet that loses PostgreSQL or its leader exposes nobody to what is worse."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import psutil
import pytest
import structlog

from detection_api.canary.guard.guard import replay
from detection_api.canary.state.types import EventKind, Status
from tests.e2e.fleet import ENDPOINTS, Fleet
from tests.e2e.instance import PATH_OF, PATHS, Load, Reply, wait_for, whose
from tests.factory import World

pytestmark = pytest.mark.fleet

log = structlog.get_logger(__name__)

DAILY = "statistics.daily"
WITHOUT_SQL = PATHS[2:]
"""What legacy answers without PostgreSQL."""
ROLLOUT, HOLDOUT = "domain; reason=rollout", "legacy; reason=holdout"
FELL_BACK = "legacy; reason=fallback; cause=error"
ROLLED_BACK, STALE = "legacy; reason=rolled_back", "legacy; reason=stale"
STALE_AFTER = 5
SLACK = 3
"""How much slower than promised a busy machine may be."""


def measured(what: str, value: float) -> None:
    """Put a figure into the test's output."""
    log.info("measured", what=what, value=round(value, 3))


@pytest.fixture(scope="module")
def running(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    environ = {**world.environ, "SHADOW_PERCENT": "0", "CANARY_STALE_AFTER": str(STALE_AFTER)}
    folder = tmp_path_factory.mktemp("fleet")
    with Fleet(folder, environ, "tests.e2e.faulty_wsgi:app", "a", "b") as fleet:
        yield fleet


@pytest.fixture
def fleet(running: Fleet) -> Iterator[Fleet]:
    """Half of everything on a domain that works."""
    running.reset(50)
    yield running
    running.mend()


def last(replies: list[Reply], *who: str) -> float:
    """When the last request was sent that was answered so, in seconds since the epoch."""
    return max(r.asked_at for r in replies if r.who in who)


@contextmanager
def frozen(world: World) -> Iterator[None]:
    """PostgreSQL that answers nothing and refuses nothing."""
    postmaster = psutil.Process(world.postgres.pid)
    servers = [postmaster, *postmaster.children()]
    for server in servers:
        server.suspend()
    yield
    for server in servers:
        server.resume()


@contextmanager
def killed(world: World) -> Iterator[None]:
    """PostgreSQL that ended with a crash, and is started again at the end."""
    os.kill(world.postgres.pid, signal.SIGKILL)
    yield
    world.postgres.start()


def wait_until_all_are(load: Load, who: str) -> None:
    """Return when a hundred replies in a row were given by `who`."""
    wait_for(lambda: set(whose(load.more(100))) == {who}, f"all replies are {who}")


def test_a_percentage_set_to_zero_by_sql_reaches_all_and_outlives_postgresql(
    fleet: Fleet, world: World
) -> None:
    with Load(fleet, clients=8) as load:
        load.more(200)
        fleet.sql("UPDATE rollout_state SET percent = 0")
        fleet.wait_until_applied()
        load.more(100)
    states = fleet.states()
    set_at = max(state.at.timestamp() for state in states.values() if state.at)
    delay = last(load.replies, ROLLOUT) - set_at
    measured("seconds until 0 percent by SQL was everywhere", delay)
    assert delay < SLACK

    with Load(fleet, clients=8, paths=WITHOUT_SQL) as load:
        with frozen(world):
            wait_until_all_are(load, STALE)
        wait_until_all_are(load, HOLDOUT)
        with killed(world):
            wait_until_all_are(load, STALE)
        wait_until_all_are(load, HOLDOUT)
    assert load.lost == []
    assert {reply.status for reply in load.replies} == {200}
    assert set(whose(load.replies)) == {HOLDOUT, STALE}
    assert fleet.states() == states


def test_a_percentage_raised_in_the_store_reaches_all_within_a_second(fleet: Fleet) -> None:
    with Load(fleet, clients=8) as load:
        load.more(100)
        for state in fleet.states().values():
            fleet.store.write(replace(state, percent=100, by="ann"), EventKind.SET, {})
        fleet.wait_until_applied()
        after = load.more(200)
    set_at = max(state.at.timestamp() for state in fleet.states().values() if state.at)
    delay = last(load.replies, HOLDOUT) - set_at
    measured("seconds until 100 percent was everywhere", delay)
    assert delay < SLACK
    assert set(whose(after[8:])) == {ROLLOUT}


def test_a_rollback_decided_without_postgresql_is_written_when_it_returns(
    fleet: Fleet, world: World
) -> None:
    """Without PostgreSQL the domain fails and legacy does not; some worker's guard rolls back."""
    with Load(fleet, clients=8, paths=(PATH_OF[DAILY],)) as load:
        load.more(50)
        with killed(world):
            wait_for(lambda: ROLLED_BACK in whose(load.more(20)), "a worker rolls back")
            returned_at = time.time()
        event = fleet.wait_for_event(DAILY, EventKind.ROLLBACK)
        fleet.wait_until_applied()
        wait_until_all_are(load, ROLLED_BACK)
    assert load.lost == []
    assert {reply.status for reply in load.replies} == {200}
    assert event.at is not None
    measured("seconds from PostgreSQL's start to the rollback", event.at.timestamp() - returned_at)
    assert event.at.timestamp() > returned_at
    assert int(event.by.split(":")[1]) in fleet.workers, "decided by a worker"
    assert replay(event.evidence)
    assert {name: state.percent for name, state in fleet.states().items()} == dict.fromkeys(
        ENDPOINTS, 50
    )


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_another_worker_leads_when_the_leader_is_gone(fleet: Fleet, how: signal.Signals) -> None:
    """What is spread too thinly for the workers' own guards is still rolled back."""
    fleet.reset(100)
    fleet.wait_for_a_turn()
    leader, session = psutil.Process(fleet.leader()), fleet.leading_session()
    leader.send_signal(how)
    gone_at = time.time()
    wait_for(lambda: fleet.leading_session() not in (None, session), "another one leads")
    measured(f"seconds without a leader, {how.name}", time.time() - gone_at)
    assert time.time() - gone_at < 3 * SLACK
    assert fleet.leader() != leader.pid

    fleet.break_domain("raises", endpoint=DAILY)
    replies = [fleet.get(PATH_OF[DAILY]) for _ in range(7)]
    event = fleet.wait_for_event(DAILY, EventKind.ROLLBACK)
    with suppress(psutil.NoSuchProcess):
        leader.resume()
    assert set(whose(replies)) == {FELL_BACK}
    assert event.by == "guard"
    assert event.evidence["totals"] == {"bad": 7, "good": 0}
    assert fleet.states()[DAILY].status is Status.ROLLED_BACK
