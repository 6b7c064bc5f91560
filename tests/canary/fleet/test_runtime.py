"""A worker takes a broken endpoint out by itself, and nobody else's traffic with it."""

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from marshmallow import Schema, fields
from prometheus_client import REGISTRY

from detection_api.canary.contract.encoder import Contract
from detection_api.canary.contract.rules import rules_of
from detection_api.canary.fleet.local_guard import MAX_WAITING
from detection_api.canary.fleet.runtime import HostApplication, Runtime
from detection_api.canary.guard.guard import Alarm, Guard, replay
from detection_api.canary.metrics import FAULTS
from detection_api.canary.serving.engine import CanaryRequest, Result, Route
from detection_api.canary.serving.settings import CanarySettings
from detection_api.canary.state.ledger import Tally
from detection_api.canary.state.memory import MemoryStore
from detection_api.canary.state.types import Arm, EventKind, RolloutState, Status
from tests.canary.stores import ALL, summed

ENDPOINT = "items.item"


class Item(Schema):
    name = fields.String(required=True)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Worker:
    """One worker's canary over a store, whose background thread is the test."""

    def __init__(
        self, store: MemoryStore, clock: Clock, *, is_alone: bool = True, **environ: str
    ) -> None:
        self.domain: Callable[..., Any] = lambda **_: {"name": "new"}
        self.runtime = Runtime(
            CanarySettings.from_environ({"SHADOW_PERCENT": "0", **environ}),
            store,
            HostApplication(endpoints=(ENDPOINT,)),
            is_alone=is_alone,
            clock=clock,
        )
        self._route = Route(
            domain=lambda **arguments: self.domain(**arguments),  # noqa: PLW0108 - set later
            legacy=lambda **_: {"name": "old"},
            contract=Contract(Item),
            rule=rules_of(Item()),
        )

    def ask(self, subject: str = "", forced: Arm | None = None) -> str:
        """One request, by a named client where there is a subject; who answered and why."""
        ask = CanaryRequest(
            subject=subject or "1", named=bool(subject), forced=forced, request_id="r-1"
        )
        served: Result = self.runtime.serve(self._route, ENDPOINT, ask, {})
        self.runtime.account(ENDPOINT, ask, served, 200)
        return f"{served.arm or 'none'} {served.reason}"


def fail(*_: Any, **__: Any) -> Any:
    raise RuntimeError("broken")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.write(RolloutState(endpoint=ENDPOINT, percent=100), EventKind.SET, {})
    return store


@pytest.fixture
def worker(store: MemoryStore, clock: Clock) -> Worker:
    return Worker(store, clock)


def test_seven_failures_in_a_row_and_the_endpoint_is_legacys(
    worker: Worker, store: MemoryStore
) -> None:
    worker.domain = fail
    assert [worker.ask() for _ in range(8)] == ["legacy fallback"] * 7 + ["legacy rolled_back"]
    worker.runtime.link.step()
    (event,) = (event for event in store.events() if event.kind is EventKind.ROLLBACK)
    assert event.by == worker.runtime.states.worker
    assert event.reason == "failing: 7 of the domain's last 7 requests failed"
    assert event.evidence["first_request_id"] == "r-1"
    assert replay(event.evidence)
    assert store.read().states[ENDPOINT].status is Status.ROLLED_BACK


def test_evidence_has_the_good_requests_that_came_before_the_failures(
    worker: Worker, store: MemoryStore
) -> None:
    """They wait to be counted together, but never longer than until something fails."""
    for _ in range(10):
        worker.ask()
    worker.domain = fail
    worker.ask()
    worker.domain = lambda **_: {"name": "new"}
    for _ in range(5):
        worker.ask()
    worker.domain = fail
    for _ in range(8):
        worker.ask()
    worker.runtime.link.step()
    (event,) = (event for event in store.events() if event.kind is EventKind.ROLLBACK)
    assert event.evidence["batches"] == [[1, 5], [7, 0]]
    assert replay(event.evidence)


def test_good_requests_are_counted_by_the_next_turn_and_before_there_are_many(
    worker: Worker, store: MemoryStore
) -> None:
    for _ in range(MAX_WAITING + 1):
        worker.ask()
    with worker.runtime.link.ledger as batch:
        assert batch.tally(ENDPOINT, "domain").good == MAX_WAITING
    worker.runtime.link.step()
    tally = summed(store.ledger(ALL))[ENDPOINT, "domain"]
    assert (tally.requests, tally.good, sum(tally.latency.values())) == (MAX_WAITING + 1,) * 3


def test_a_failure_is_judged_after_what_another_thread_is_counting(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ordinary requests that one thread has taken are not passed by a failure in another."""
    judged: list[bool] = []
    judges, may_go_on = threading.Event(), threading.Event()

    def note(_: Guard, bad: bool, *__: Any) -> tuple[Alarm, ...]:
        if not bad:
            judges.set()
            assert may_go_on.wait(30)
        judged.append(bad)
        return ()

    monkeypatch.setattr(Guard, "domain", note)
    worker.ask()
    counting = threading.Thread(target=worker.runtime.link.step)
    counting.start()
    assert judges.wait(30)
    worker.domain = fail
    failing = threading.Thread(target=worker.ask)
    failing.start()
    failing.join(0.2)  # it would pass now, if it could
    may_go_on.set()
    counting.join()
    failing.join()
    assert judged == [False, True]


FORK = """
import os
from tests.canary.fleet.test_runtime import ENDPOINT, Clock, Worker
from detection_api.canary.state.memory import MemoryStore

worker = Worker(MemoryStore(), Clock())
worker.ask()
child = os.fork()
if child == 0:
    worker.runtime.link.step()
    os._exit(len(worker.runtime.link.ledger.totals))
_, status = os.waitpid(child, 0)
worker.runtime.link.step()
print(os.waitstatus_to_exitcode(status), worker.runtime.link.ledger.totals[ENDPOINT, "legacy"].good)
"""


def test_a_forked_worker_does_not_count_what_its_parent_has_served() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.endswith("\n0 1\n")


def test_a_resumed_endpoint_is_judged_anew(worker: Worker, store: MemoryStore) -> None:
    worker.domain = fail
    for _ in range(7):
        worker.ask()
    worker.runtime.link.step()
    state = store.read().states[ENDPOINT]
    store.write(replace(state, status=Status.ACTIVE), EventKind.RESUME, {})
    worker.runtime.link.step()
    assert [worker.ask() for _ in range(8)] == ["legacy fallback"] * 7 + ["legacy rolled_back"]


def test_a_client_that_forces_a_broken_domain_changes_nothing_for_others(
    worker: Worker, store: MemoryStore
) -> None:
    worker.domain = fail
    for _ in range(100):
        assert worker.ask(forced=Arm.DOMAIN) == "legacy fallback"
    worker.runtime.link.step()
    worker.domain = lambda **_: {"name": "new"}
    assert worker.ask() == "domain rollout"
    worker.runtime.link.step()
    assert [event.kind for event in store.events()] == [EventKind.SET]
    tally = summed(store.ledger(ALL))[ENDPOINT, "domain"]
    assert (tally.requests, tally.forced, tally.bad, tally.good) == (101, 100, 0, 1)


def test_a_client_that_forces_legacy_hides_nothing(worker: Worker) -> None:
    worker.domain = fail
    for _ in range(6):
        worker.ask()
        worker.ask(forced=Arm.LEGACY)
    worker.ask()
    assert worker.ask() == "legacy rolled_back"


def test_one_clients_retries_are_one_failure_in_ten_seconds(worker: Worker, clock: Clock) -> None:
    worker.domain = fail
    for _ in range(6):
        for _ in range(50):
            assert worker.ask("line-3") == "legacy fallback"
        clock.now += 10
    worker.ask("line-3")
    assert worker.ask("line-3") == "legacy rolled_back"


def test_failures_spread_over_workers_reach_the_fleets_guard(clock: Clock) -> None:
    """Each worker sees four at the most, all of them twelve."""
    store = MemoryStore()
    store.write(RolloutState(endpoint=ENDPOINT, percent=100), EventKind.SET, {})
    workers = [Worker(store, clock) for _ in range(3)]
    for worker in workers:
        worker.domain = fail
        for _ in range(4):
            worker.ask()
    for worker in [*workers, *workers]:
        worker.runtime.link.step()
    assert [worker.ask() for worker in workers] == ["legacy rolled_back"] * 3
    (event,) = (event for event in store.events() if event.kind is EventKind.ROLLBACK)
    assert event.by == "guard"


def test_under_the_kill_switch_the_domain_gets_no_share(store: MemoryStore, clock: Clock) -> None:
    worker = Worker(store, clock, USE_DOMAIN_SERVICE="false")
    for _ in range(10):
        assert worker.ask() == "legacy kill_switch"
    assert worker.runtime.overrides.share_of(worker.runtime.states.state(ENDPOINT)) == 0


def sample(name: str, **labels: str) -> float | None:
    value: float | None = REGISTRY.get_sample_value(name, {"endpoint": ENDPOINT, **labels})
    return value


def test_gauges_show_what_the_worker_applies(worker: Worker, store: MemoryStore) -> None:
    worker.runtime.link.step()
    assert sample("canary_percent") == 100
    assert sample("canary_rolled_back") == 0
    assert sample("canary_epoch") == 1
    worker.domain = fail
    worker.ask()
    worker.runtime.link.step()
    assert sample("canary_guard_points", signal="failing", level="worker") == 19
    assert sample("canary_guard_points", signal="failing", level="fleet") == 19
    for _ in range(6):
        worker.ask()
    worker.runtime.link.step()
    assert sample("canary_rolled_back") == 1


def test_a_rollback_beats_a_pinned_percentage_and_names_the_variable(
    store: MemoryStore, clock: Clock
) -> None:
    worker = Worker(store, clock, ROLLOUT_PERCENT_ITEMS_ITEM="80", ROLLOUT_PERCENT="50")
    for number in range(7):
        worker.runtime.comparisons._on_outcome(ENDPOINT, "mismatch", f"r-{number}")
    assert worker.ask() == "legacy rolled_back"
    worker.runtime.link.step()
    (event,) = (event for event in store.events() if event.kind is EventKind.ROLLBACK)
    assert event.reason == (
        "differing: 7 of the domain's last 7 compared answers differ from legacy's;"
        " ROLLOUT_PERCENT_ITEMS_ITEM pins its percentage, which does not apply until a resume"
    )
    assert sample("canary_pinned_percent", variable="ROLLOUT_PERCENT_ITEMS_ITEM") == 80
    assert sample("canary_guard_points", signal="differing", level="worker") == 133


def test_counters_tell_what_the_ledger_tells(worker: Worker, store: MemoryStore) -> None:
    def fallbacks() -> float:
        return sample("canary_fallbacks_total") or 0

    def failures() -> float:
        return sample("canary_failures_total", arm="domain", cause="error") or 0

    before = fallbacks(), failures(), sample("canary_latency_seconds_count", arm="domain") or 0
    worker.domain = fail
    for _ in range(3):
        worker.ask()
    worker.runtime.link.step()
    ledger = summed(store.ledger(ALL))
    assert fallbacks() - before[0] == ledger[ENDPOINT, "legacy"].fallbacks == 3
    assert failures() - before[1] == ledger[ENDPOINT, "domain"].errors == 3
    assert (sample("canary_latency_seconds_count", arm="domain") or 0) - before[2] == 3
    assert ledger[ENDPOINT, "domain"] == Tally(
        requests=3,
        errors=3,
        bad=3,
        latency=ledger[ENDPOINT, "domain"].latency,
        first_failed="r-1",
        last_failed="r-1",
    )


def test_a_request_is_answered_though_no_thread_is_to_be_had_and_the_next_one_tries_again(
    store: MemoryStore, clock: Clock
) -> None:
    worker = Worker(store, clock, is_alone=False)
    faults = FAULTS.labels("read_state")._value
    before = faults.get()
    with pytest.MonkeyPatch.context() as exhausted:
        exhausted.setattr(threading.Thread, "start", fail)
        assert worker.ask() == "legacy stale"
    assert faults.get() == before + 1
    try:
        worker.runtime.start(within=30)
        assert worker.ask() == "domain rollout"
    finally:
        worker.runtime.link.background.stop()
