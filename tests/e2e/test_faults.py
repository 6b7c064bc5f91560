"""No fault of the domain, of PostgreSQL or of Redis costs a client anything legacy can give.

The guard soon takes a broken endpoint out, so each test begins with all of them resumed: a fault
is one that clients were sent into, and after that some are answered `rolled_back`.
"""

import contextlib
import json
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator

import psutil
import psycopg2
import pytest

from tests.e2e.fleet import Fleet
from tests.e2e.instance import PATH_OF, PATHS, Instance, Load, Reply, wait_for, whose
from tests.factory import World
from tests.world import ROUTES

SCHEMAS = {path: ROUTES[endpoint].contract.schema for endpoint, path in PATH_OF.items()}
SQL_PATHS = PATHS[:2]
DEADLINE_MS = 1000
COUNTED_WITHIN = 15
"""Seconds; workers add to their counters about once a second."""
ROLLED_BACK, ROLLOUT = "legacy; reason=rolled_back", "domain; reason=rollout"


@pytest.fixture(scope="module")
def running(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """All traffic on a domain that can be broken, with a pool that is quickly exhausted.

    Nothing is compared: the domain runs for clients alone, so that its failures are theirs.
    """
    environ = {
        **world.environ,
        "ROLLOUT_PERCENT": "100",
        "SHADOW_PERCENT": "0",
        "CANARY_DEADLINE_MS": str(DEADLINE_MS),
        "DOMAIN_POOL_SIZE": "1",
        "WEB_CONCURRENCY": "2",
    }
    folder = tmp_path_factory.mktemp("faults")
    with Fleet(folder, environ, "tests.e2e.faulty_wsgi:app", "a") as fleet:
        yield fleet


@pytest.fixture
def fleet(running: Fleet) -> Fleet:
    """A fleet of one instance, in which no endpoint is rolled back."""
    running.reset(100)
    return running


@pytest.fixture
def instance(fleet: Fleet) -> Instance:
    (instance,) = fleet.instances
    return instance


def assert_unharmed(load: Load, replies: list[Reply]) -> None:
    """Every client got an answer, and a whole one."""
    assert load.lost == []
    assert_whole(replies)


def assert_whole(replies: list[Reply]) -> None:
    """Every answer is a success that keeps its contract."""
    for reply in replies:
        assert reply.status == 200, reply
        assert SCHEMAS[reply.path].validate(reply.body) == {}, reply


class Account:
    """What the domain's failures are counted and logged as, from now on."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._counted = self._counters()
        self._logged = instance.log.stat().st_size

    def assert_agrees_with(self, replies: list[Reply]) -> None:
        """Every failure is in `X-Canary`, in a counter and in the log, with the same cause."""
        answered = Counter(found[1] for r in replies if (found := re.search(r"cause=(\w+)", r.who)))
        wait_for(
            lambda: self._counters() - self._counted >= answered,
            f"counters tell of {answered}",
            COUNTED_WITHIN,
        )
        assert self._counters() - self._counted == answered
        assert self._log_lines() == answered

    def _counters(self) -> Counter[str]:
        return Counter(
            {
                cause: int(
                    self._instance.metric("canary_failures_total", arm="domain", cause=cause)
                )
                for cause in ("error", "timeout", "contract")
            }
        )

    def _log_lines(self) -> Counter[str]:
        text = self._instance.log.read_bytes()[self._logged :].decode()
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return Counter(
            line["cause"]
            for line in lines
            if line["event"] == "arm_failed" and line["arm"] == "domain"
        )


def fallen_back(replies: list[Reply]) -> set[str]:
    return {reply.path for reply in replies if "fallback" in reply.who}


@pytest.mark.parametrize(
    ("fault", "cause", "paths"),
    [
        ("raises", "error", PATHS),
        ("missing field", "contract", PATHS),
        ("wrong type", "contract", PATHS),
        ("NaN", "contract", PATHS),
        ("naive time", "contract", PATHS),
        ("past the deadline", "timeout", PATHS),
        ("pool exhausted", "timeout", ()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_domain_costs_no_client_anything(
    instance: Instance, fault: str, cause: str, paths: tuple[str, ...]
) -> None:
    account = Account(instance)
    with Load(instance, clients=8) as load:
        before = load.more(70)
        instance.break_domain(fault)
        broken = load.more(105)
        instance.mend()
    assert_unharmed(load, load.replies)
    assert ROLLED_BACK not in whose(before)
    assert set(whose(broken)) <= {f"legacy; reason=fallback; cause={cause}", ROLLOUT, ROLLED_BACK}
    assert fallen_back(broken) >= set(paths)
    assert fallen_back(broken), "the fault was not met"
    account.assert_agrees_with(load.replies)


@contextlib.contextmanager
def locked(world: World, *tables: str) -> Iterator[None]:
    """`tables` locked against everybody, as a careless migration would."""
    connection = psycopg2.connect(world.database_url)
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        yield
    connection.rollback()
    connection.close()


def test_locked_tables_cost_no_client_anything(
    fleet: Fleet, instance: Instance, world: World
) -> None:
    """The domain's own tables: legacy reads its two from PostgreSQL as well."""
    own = ("events", "hourly_event_counts", "cameras", "camera_statistics")
    account = Account(instance)
    with Load(instance, clients=8) as load:
        load.more(30)
        with locked(world, *own):
            broken = load.more(120)
        fleet.reset(100)
        mended = load.more(60)
    assert_unharmed(load, load.replies)
    assert fallen_back(broken) >= set(PATHS[2:])
    assert set(whose(broken)) <= {"legacy; reason=fallback; cause=timeout", ROLLOUT, ROLLED_BACK}
    assert set(whose(mended)) == {ROLLOUT}
    account.assert_agrees_with(load.replies)


def test_a_stopped_postgresql_costs_nothing_where_legacy_does_without(
    fleet: Fleet, instance: Instance, world: World
) -> None:
    """Endpoints 1 and 2 have nothing but PostgreSQL in either arm: 503, and an honest one."""
    account = Account(instance)
    with Load(instance) as load:
        load.more(30)
        world.postgres.stop()
        without = load.more(160)
        world.postgres.start()
        fleet.reset(100)
        again = load.more(70)
    assert_unharmed(load, [r for r in load.replies if r.path not in SQL_PATHS])
    assert fallen_back(without) == set(PATHS[2:])
    outages = [reply for reply in without if reply.path in SQL_PATHS]
    assert outages
    for reply in outages:
        assert (reply.status, reply.who) == (503, "none; reason=outage; cause=error")
        assert set(reply.body) == {"type", "title", "status", "detail", "request_id"}
    assert set(whose(again)) == {ROLLOUT}
    account.assert_agrees_with(load.replies)


def test_a_frozen_postgresql_costs_no_client_more_than_the_deadlines(
    instance: Instance, world: World
) -> None:
    """Stopped processes answer nothing and refuse nothing; only deadlines help."""
    servers = [psutil.Process(world.postgres.pid), *psutil.Process(world.postgres.pid).children()]
    account = Account(instance)
    with Load(instance, paths=PATHS[2:]) as load:
        load.more(30)
        for server in servers:
            server.suspend()
        frozen = load.more(40)
        for server in servers:
            server.resume()
    assert_unharmed(load, load.replies)
    assert whose(frozen)["legacy; reason=fallback; cause=timeout"] > 0
    account.assert_agrees_with(load.replies)


def test_a_stopped_redis_costs_no_client_anything(instance: Instance, world: World) -> None:
    port = int(world.environ["REDIS_URL"].rsplit(":", 1)[1])
    with Load(instance) as load:
        load.more(30)
        world.valkey.stop()
        load.more(70)
        world.valkey.start(port)
        load.more(30)
    assert_unharmed(load, load.replies)
    assert set(whose(load.replies)) == {ROLLOUT}


def test_a_stopped_redis_costs_legacys_clients_nothing_either(
    instance: Instance, world: World
) -> None:
    port = int(world.environ["REDIS_URL"].rsplit(":", 1)[1])
    paths = tuple(f"{path}{'&' if '?' in path else '?'}force_domain=false" for path in PATHS)
    with Load(instance, paths=paths) as load:
        load.more(30)
        world.valkey.stop()
        load.more(70)
        world.valkey.start(port)
        load.more(30)
    assert load.lost == []
    assert {(reply.status, reply.who) for reply in load.replies} == {(200, "legacy; reason=forced")}


def test_a_killed_worker_costs_only_its_own_requests(instance: Instance) -> None:
    with Load(instance, clients=8) as load:
        load.more(30)
        worker = psutil.Process(instance.pid).children()[0]
        os.kill(worker.pid, signal.SIGKILL)
        load.more(140)
    assert len(load.lost) <= load.clients, "each client can have had one request in flight"
    assert_whole(load.replies)
    assert set(whose(load.replies)) == {ROLLOUT}
