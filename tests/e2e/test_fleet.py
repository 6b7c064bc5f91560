"""Two instances of four workers act as one: who fails is out, everywhere and within a second."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog

from detection_api.canary.guard.guard import replay
from detection_api.canary.state.types import EventKind, Status
from tests.e2e.fleet import Fleet
from tests.e2e.instance import PATH_OF, Load, Reply, whose
from tests.factory import World

pytestmark = pytest.mark.fleet

log = structlog.get_logger(__name__)

DAILY, STATS = "statistics.daily", "cameras.camera_stats"
POISON = "/api/v1/cameras/poison/stats"
FELL_BACK = "legacy; reason=fallback; cause=error"
ROLLED_BACK = "legacy; reason=rolled_back"
ROLLOUT = "domain; reason=rollout"
SLACK = 3
"""How much slower than promised a busy machine may be."""
ENOUGH = 7
"""Failures in a row that roll back."""


def measured(what: str, value: float) -> None:
    """Put a figure into the test's output."""
    log.info("measured", what=what, value=round(value, 3))


@pytest.fixture(scope="module")
def running(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    environ = {**world.environ, "SHADOW_PERCENT": "0"}
    folder = tmp_path_factory.mktemp("fleet")
    with Fleet(folder, environ, "tests.e2e.faulty_wsgi:app", "a", "b") as fleet:
        yield fleet


@pytest.fixture
def fleet(running: Fleet) -> Iterator[Fleet]:
    """Everything on a domain that works."""
    running.reset(100)
    running.wait_for_a_turn()
    yield running
    running.mend()


def failed_ids(fleet: Fleet, endpoint: str) -> set[str]:
    """The ids of the requests whose failure is in an instance's log."""
    lines = "\n".join(instance.log.read_text() for instance in fleet.instances).splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    return {
        event["request_id"]
        for event in events
        if event["event"] == "arm_failed" and event["endpoint"] == endpoint
    }


def last(replies: list[Reply], who: str, path: str) -> float:
    """When the last request was sent that was answered so, in seconds since the epoch."""
    times = [r.asked_at for r in replies if (r.who, r.path) == (who, path)]
    return max(times, default=-math.inf)


def test_an_endpoint_that_always_fails_is_rolled_back_everywhere_and_alone(fleet: Fleet) -> None:
    path, counted = PATH_OF[DAILY], fleet.counts(DAILY).errors
    with Load(fleet, clients=8) as load:
        load.more(140)
        fleet.break_domain("raises", endpoint=DAILY)
        event = fleet.wait_for_event(DAILY, EventKind.ROLLBACK)
        fleet.wait_until_applied()
        after = load.more(210)
    assert event.at is not None
    at = event.at.timestamp()
    assert load.lost == []
    assert {reply.status for reply in load.replies} == {200}

    reached = [r for r in load.replies if r.who == FELL_BACK]
    in_a_second = [r for r in load.replies if r.path == path and at <= r.asked_at < at + 1]
    measured("requests that reached a domain that always fails", len(reached))
    assert ENOUGH <= len(reached) <= ENOUGH * len(fleet.workers) + len(in_a_second)
    fleet.wait_for_a_turn()
    assert fleet.counts(DAILY).errors - counted == len(reached)

    measured("seconds to a rollback everywhere", last(reached, FELL_BACK, path) - at)
    assert last(reached, FELL_BACK, path) < at + SLACK
    assert {r.port for r in after if r.who == ROLLED_BACK} == {i.port for i in fleet.instances}
    assert {r.who for r in after if r.path == path} == {ROLLED_BACK}
    assert {r.who for r in load.replies if r.path != path} == {ROLLOUT}


def test_the_audit_shows_why_an_endpoint_was_rolled_back(fleet: Fleet) -> None:
    fleet.break_domain("raises", endpoint=DAILY)
    with Load(fleet, paths=(PATH_OF[DAILY],)):
        event = fleet.wait_for_event(DAILY, EventKind.ROLLBACK)
    evidence = event.evidence
    assert event.reason.startswith("failing: ")
    assert (evidence["signal"], evidence["verdict"]) == ("failing", "rollback")
    assert replay(evidence)
    assert evidence["totals"]["bad"] >= ENOUGH
    assert evidence["totals"]["good"] == 0
    ids = {evidence["first_request_id"], evidence["last_request_id"], *evidence["request_ids"]}
    assert ids <= failed_ids(fleet, DAILY)
    assert fleet.events(DAILY, EventKind.ROLLBACK) == [event], "told once"


def test_a_rollback_outlives_a_hup_and_a_restart_until_it_is_resumed(fleet: Fleet) -> None:
    path = PATH_OF[DAILY]
    fleet.break_domain("raises", endpoint=DAILY)
    with Load(fleet, paths=(path,)):
        fleet.wait_for_event(DAILY, EventKind.ROLLBACK)
    fleet.mend()
    renewed, restarted = fleet.instances
    before = renewed.workers
    renewed.reload()
    restarted.stop()
    restarted.start()
    restarted.wait_until_up()
    renewed.wait_until_renewed(before)
    fleet.wait_until_applied()
    assert set(whose([fleet.get(path) for _ in range(40)])) == {ROLLED_BACK}

    with Load(fleet, clients=8, paths=(path,)) as load:
        load.more(50)
        resumed_at = resume(fleet, DAILY)
        fleet.wait_until_applied()
        after = load.more(100)
    delay = last(load.replies, ROLLED_BACK, path) - resumed_at
    measured("seconds to a resume everywhere", delay)
    assert delay < SLACK
    assert set(whose(after[8:])) == {ROLLOUT}


def resume(fleet: Fleet, endpoint: str) -> float:
    """Resume as an operator's command does; when that was, in seconds since the epoch."""
    state = replace(fleet.states()[endpoint], status=Status.ACTIVE, reason="mended", by="ann")
    stored = fleet.store.write(state, EventKind.RESUME, {})
    assert stored.resumed_at is not None
    return stored.resumed_at.timestamp()


def test_after_a_resume_a_fresh_guard_judges_the_whole_fleet(fleet: Fleet) -> None:
    """Six failures, too thinly spread for any worker's guard, warn; the seventh rolls back."""
    path = PATH_OF[DAILY]
    fleet.break_domain("raises", endpoint=DAILY)
    with Load(fleet, paths=(path,)):
        fleet.wait_for_event(DAILY, EventKind.ROLLBACK)
    fleet.wait_for_a_turn()
    resume(fleet, DAILY)
    fleet.wait_until_applied()
    fleet.wait_for_a_turn()
    assert set(whose([fleet.get(path) for _ in range(ENOUGH - 1)])) == {FELL_BACK}
    warning = fleet.wait_for_event(DAILY, EventKind.WARN)
    assert warning.evidence["totals"]["bad"] < ENOUGH
    fleet.wait_for_a_turn()
    assert fleet.states()[DAILY].status is Status.ACTIVE
    assert fleet.get(path).who == FELL_BACK
    event = fleet.wait_for_event(DAILY, EventKind.ROLLBACK)
    assert event.by == "guard"
    assert event.evidence["totals"] == {"bad": ENOUGH, "good": 0}


def test_an_endpoint_that_fails_one_time_in_ten_is_rolled_back_within_600_requests(
    fleet: Fleet,
) -> None:
    path = PATH_OF[DAILY]
    with Load(fleet, clients=4, paths=(path,), pause=0.04) as load:
        load.more(40)
        broken_at = time.time()
        fleet.break_domain("raises", endpoint=DAILY, share=0.1)
        fleet.wait_for_event(DAILY, EventKind.ROLLBACK)
        fleet.wait_until_applied()
    exposed = [r for r in load.replies if r.asked_at > broken_at and r.who in (ROLLOUT, FELL_BACK)]
    measured("requests to the domain at 10% failures", len(exposed))
    assert len(exposed) <= 600
    assert {reply.status for reply in load.replies} == {200}


def test_a_client_that_forces_a_broken_domain_changes_nothing_for_others(fleet: Fleet) -> None:
    """The domain fails for the hammered camera alone, so that the others' requests show it."""
    before = fleet.counts(STATS)
    fleet.break_domain("raises", endpoint=STATS, arguments={"camera_id": "poison"})
    with (
        Load(fleet, paths=(PATH_OF[STATS],)) as others,
        Load(fleet, paths=(f"{POISON}?force_domain=true",)) as hammer,
    ):
        others.more(100)
        hammer.more(300)
    assert set(whose(hammer.replies)) == {FELL_BACK}
    assert set(whose(others.replies)) == {ROLLOUT}
    fleet.wait_for_a_turn()
    counts = fleet.counts(STATS)
    assert counts.forced - before.forced == len(hammer.replies)
    assert (counts.bad, counts.good) == (before.bad, before.good + len(others.replies))
    assert fleet.events(STATS, EventKind.ROLLBACK) == fleet.events(STATS, EventKind.WARN) == []
    points = [i.metric("canary_guard_points", endpoint=STATS) for i in fleet.instances]
    assert points == [0, 0]

    with Load(fleet, paths=(POISON,)):
        fleet.wait_for_event(STATS, EventKind.ROLLBACK)


def test_one_clients_retries_are_one_failure_a_worker_in_ten_seconds(fleet: Fleet) -> None:
    """And so they roll nothing back."""
    before = fleet.counts(STATS).bad
    fleet.break_domain("raises", endpoint=STATS, arguments={"camera_id": "poison"})
    instance, _ = fleet.instances
    with Load(instance, paths=(POISON,), headers={"X_Client_Id": "impatient"}) as load:
        load.more(100)
    times = [reply.asked_at for reply in load.replies]
    windows = math.ceil((max(times) - min(times)) / 10)
    fleet.wait_for_a_turn()
    assert set(whose(load.replies)) == {FELL_BACK}
    assert 1 <= fleet.counts(STATS).bad - before <= windows * len(instance.workers)
    assert fleet.events(STATS, EventKind.ROLLBACK) == []
