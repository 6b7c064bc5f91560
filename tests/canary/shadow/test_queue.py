"""Comparisons cost a client nothing: after the response, a sample only, dropped when full."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response
from marshmallow import Schema, fields
from prometheus_client import REGISTRY

from detection_api.canary.contract.encoder import Contract
from detection_api.canary.contract.rules import rules_of
from detection_api.canary.flask import Canary
from detection_api.canary.fleet.runtime import HostApplication, Runtime
from detection_api.canary.serving.decision import Decision, Reason
from detection_api.canary.serving.engine import CanaryRequest, Result, Route
from detection_api.canary.serving.observation import Observation
from detection_api.canary.serving.settings import CanarySettings
from detection_api.canary.shadow.queue import FORGOTTEN, MAX_WAITING, NEWS, REST, Job, Shadow
from detection_api.canary.state.ledger import BUCKET_SECONDS, Tally
from detection_api.canary.state.memory import MemoryStore
from detection_api.canary.state.types import Arm, EventKind, RolloutState, Status
from tests.canary.stores import ALL, summed

ROOT = Path(__file__).parents[3]
WITHIN = 10.0
"""Seconds within which the shadow's thread must have done what it was given."""


class Item(Schema):
    name = fields.String(required=True)


def route(
    *,
    domain: Callable[..., Any] = lambda **_: {"name": "a"},
    legacy: Callable[..., Any] | None = lambda **_: {"name": "a"},
    writes: bool = False,
) -> Route:
    return Route(
        domain=domain, legacy=legacy, contract=Contract(Item), rule=rules_of(Item()), writes=writes
    )


def job(
    request_id: str = "request-1", *, due: float = 0.0, endpoint: str = "item", epoch: int = 0
) -> Job:
    return Job(
        endpoint=endpoint,
        route=route(),
        arguments={},
        answered=Observation(arm=Arm.LEGACY, seconds=0.0),
        request_id=request_id,
        state=RolloutState(endpoint=endpoint, epoch=epoch),
        due=due,
    )


class Driven:
    """A shadow without a thread; `now` is its time, `look` is what it does."""

    def __init__(self, *, per_second: float = 1000) -> None:
        self.now = 100.0
        self.seen: list[str] = []
        self.dropped: list[str] = []
        self.faults: list[str] = []
        self.starts: list[Callable[[], None]] = []
        self.look: Callable[[Job], Job | None] = lambda _: None
        self.shadow = Shadow(
            self._look,
            per_second=per_second,
            on_drop=lambda job: self.dropped.append(job.request_id),
            on_fault=self.faults.append,
            clock=lambda: self.now,
            start=self.starts.append,
        )

    def _look(self, job: Job) -> Job | None:
        self.seen.append(job.request_id)
        return self.look(job)

    def offer(self, count: int = 1, **facts: Any) -> None:
        for number in range(count):
            self.shadow.offer(job(str(number), **facts))

    def compare(self, count: int, **facts: Any) -> None:
        """Offer one after the other, each when the last one has been looked at."""
        for _ in range(count):
            self.offer(**facts)
            self.work()

    def take(self, seconds: float) -> None:
        self.now += seconds

    def work(self) -> None:
        while self.shadow.work():
            pass


def test_offered_answers_are_looked_at_in_their_order() -> None:
    driven = Driven()
    driven.offer(3)
    assert driven.seen == [], "whoever offers does not look"
    driven.work()
    assert driven.seen == ["0", "1", "2"]
    assert driven.dropped == []


def test_what_there_is_no_room_for_is_dropped_and_told_of() -> None:
    driven = Driven()
    driven.offer(MAX_WAITING + 2)
    assert driven.dropped == [str(MAX_WAITING), str(MAX_WAITING + 1)]
    driven.work()
    assert len(driven.seen) == MAX_WAITING
    driven.offer(1)
    driven.work()
    assert len(driven.seen) == MAX_WAITING + 1, "there is room again"


def test_what_waits_for_its_second_look_takes_up_room() -> None:
    driven = Driven()
    driven.look = lambda looked_at: job(looked_at.request_id, due=driven.now + 1)
    driven.offer(MAX_WAITING)
    driven.work()
    driven.offer()
    assert driven.dropped == ["0"]


def test_a_second_look_comes_when_it_is_due_and_before_new_ones() -> None:
    driven = Driven()
    driven.look = lambda looked_at: job(f"{looked_at.request_id} again", due=driven.now + 2)
    driven.offer()
    driven.work()
    driven.now += 1.9
    driven.work()
    assert driven.seen == ["0"]
    driven.look = lambda _: None
    driven.now += 0.1
    driven.offer()
    driven.work()
    assert driven.seen == ["0", "0 again", "0"]


def test_no_more_are_begun_in_a_second_than_the_operator_wants() -> None:
    driven = Driven(per_second=3)
    driven.offer(5)
    driven.work()
    assert driven.seen == ["0", "1", "2"]
    assert driven.dropped == ["3", "4"]
    driven.now += 0.9
    driven.offer()
    assert driven.dropped == ["3", "4", "0"]
    driven.now += 0.1
    driven.offer(3)
    driven.work()
    assert len(driven.seen) == 6


def settled() -> Driven:
    """A shadow for which the item's state is no news any more."""
    driven = Driven()
    driven.compare(1)
    driven.take(BUCKET_SECONDS)
    driven.compare(NEWS)
    driven.seen.clear()
    return driven


def test_most_of_the_time_nothing_but_news_is_compared() -> None:
    driven = settled()
    began = driven.now
    driven.look = lambda _: driven.take(0.02)
    for _ in range(1000):
        driven.compare(1)
        driven.now += 0.01
    spent = 0.02 * len(driven.seen)
    assert spent / (driven.now - began) == pytest.approx(0.05, abs=0.005)
    assert driven.dropped == [], "what nobody waits for is not missed"


def test_news_does_not_shorten_the_rest_that_a_later_one_owes() -> None:
    driven = settled()
    driven.look = lambda _: driven.take(2.0)
    driven.compare(1)
    driven.look = lambda _: driven.take(0.001)
    driven.compare(1, endpoint="another")
    driven.take(2.0 * REST - 1)
    driven.offer()
    driven.work()
    assert driven.seen == ["0", "0"], "the second one is the other endpoint's"


def test_a_short_second_look_does_not_shorten_the_rest_after_a_long_first_one() -> None:
    driven = settled()

    def long(first: Job) -> Job:
        driven.take(2.0)
        return replace(first, due=driven.now)

    driven.look = long
    driven.offer()
    driven.shadow.work()
    driven.look = lambda _: driven.take(0.001)
    driven.work()
    driven.take(2.0 * REST - 1)
    driven.compare(1)
    assert driven.seen == ["0", "0"], "the two looks at the first one"


def test_while_a_later_one_is_looked_at_no_other_of_them_is_taken() -> None:
    driven = settled()

    def offered_meanwhile(_: Job) -> None:
        driven.offer(3)
        driven.take(0.02)

    driven.look = offered_meanwhile
    driven.offer(3)
    driven.work()
    assert driven.seen == ["0"]


def test_an_endpoint_whose_state_has_changed_is_news_again() -> None:
    driven = settled()
    driven.look = lambda _: driven.take(0.02)
    driven.compare(10)
    assert len(driven.seen) == 1
    driven.compare(10, epoch=1)
    driven.take(BUCKET_SECONDS)
    driven.compare(NEWS + 10, epoch=1)
    assert len(driven.seen) == 1 + 10 + NEWS + 1, "and one when the thread had rested"


def test_what_was_dropped_is_news_that_is_still_missing() -> None:
    driven = Driven(per_second=NEWS / 2)
    driven.compare(1)
    driven.take(BUCKET_SECONDS)
    driven.compare(NEWS)
    assert len(driven.dropped) == NEWS / 2
    driven.take(1)
    driven.look = lambda _: driven.take(0.001)
    driven.seen.clear()
    driven.compare(NEWS)
    assert len(driven.seen) >= NEWS / 2


def test_an_endpoint_with_few_requests_has_its_turn() -> None:
    driven = settled()
    driven.compare(1, endpoint="rare")
    driven.take(BUCKET_SECONDS)
    driven.compare(NEWS, endpoint="rare")
    driven.look = lambda _: driven.take(4.0)
    driven.compare(1)
    driven.seen.clear()
    driven.take(FORGOTTEN)
    driven.compare(1, endpoint="rare")
    assert driven.seen == ["0"], "though the thread owes rest for the other's"


def test_a_look_that_never_ends_is_told_of_by_drops() -> None:
    driven = settled()

    def hanging(_job: Job) -> None:
        for _ in range(MAX_WAITING + 1):
            driven.take(FORGOTTEN)
            driven.offer()

    driven.look = hanging
    driven.offer()
    driven.shadow.work()
    assert driven.dropped


def test_a_look_that_raises_is_counted_and_the_next_one_is_made() -> None:
    driven = Driven()

    def fail(_: Job) -> None:
        raise RuntimeError("a bug")

    driven.look = fail
    driven.offer(2)
    driven.work()
    assert driven.seen == ["0", "1"]
    assert driven.faults == ["shadow", "shadow"]


def test_one_thread_is_started_by_the_first_offer_of_a_process() -> None:
    driven = Driven()
    assert driven.starts == []
    driven.offer(2)
    assert len(driven.starts) == 1
    driven.shadow.begin()
    driven.offer()
    assert len(driven.starts) == 2, "a forked worker has none of its parent's threads"
    driven.work()
    assert driven.seen == ["0"], "what its parent was offered is its parent's"


def test_a_thread_that_cannot_be_started_is_a_fault_and_tried_again() -> None:
    driven = Driven()

    def full(_: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    driven.shadow = Shadow(
        lambda _: None,
        per_second=10,
        on_drop=lambda _: None,
        on_fault=driven.faults.append,
        start=full,
    )
    driven.offer(2)
    assert driven.faults == ["shadow", "shadow"]


def test_not_even_a_fault_in_counting_the_dropped_reaches_whoever_offers() -> None:
    def broken(_: Job) -> None:
        raise OSError("disk full")

    faults: list[str] = []
    shadow = Shadow(
        lambda _: None,
        per_second=0.5,
        on_drop=broken,
        on_fault=faults.append,
        clock=lambda: 0.0,
        start=lambda _: None,
    )
    for _ in range(2):
        shadow.offer(job())
    assert faults == ["shadow"]


def test_the_thread_looks_at_what_is_offered_and_again_when_it_is_due() -> None:
    looked = threading.Event()
    seen: list[str] = []

    def look(looked_at: Job) -> Job | None:
        seen.append(looked_at.request_id)
        if looked_at.request_id == "first":
            return job("second", due=time.monotonic() + 0.05)
        looked.set()
        return None

    shadow = Shadow(look, per_second=10, on_drop=lambda _: None, on_fault=lambda _: None)
    shadow.offer(job("first"))
    assert looked.wait(WITHIN)
    assert seen == ["first", "second"]


def runtime(**environ: str) -> Runtime:
    overrides = CanarySettings.from_environ(environ)
    return Runtime(overrides, MemoryStore(), HostApplication(endpoints=("item",)), is_alone=True)


def served(reason: Reason = Reason.HOLDOUT) -> Result:
    arm = Arm.LEGACY
    observation = Observation(arm=arm, seconds=0.001)
    return Result(
        decision=Decision(arm, reason), arm=arm, reason=reason, observations=(observation,)
    )


def ask(request_id: str) -> CanaryRequest:
    return CanaryRequest(subject="client-1", named=True, forced=None, request_id=request_id)


def sample(percent: str, requests: int = 4000) -> set[str]:
    drawn = runtime(SHADOW_PERCENT=percent)
    ids = (f"request-{number}" for number in range(requests))
    return {n for n in ids if drawn.comparisons.is_chosen("item", ask(n), route(), served())}


def test_the_sample_at_10_percent_is_a_tenth_and_a_part_of_that_at_25() -> None:
    tenth, quarter = sample("10"), sample("25")
    assert tenth < quarter
    assert 0.08 < len(tenth) / 4000 < 0.12
    assert 0.22 < len(quarter) / 4000 < 0.28


def test_the_sample_is_none_at_0_percent_and_all_at_100() -> None:
    assert sample("0", 100) == set()
    assert len(sample("100", 100)) == 100


@pytest.mark.parametrize("reason", Reason)
def test_answers_are_compared_that_were_decided_for_and_may_run_the_domain(reason: Reason) -> None:
    """Not those that a client forced, not fallbacks; and the kill switch means no domain at all."""
    is_compared = runtime(SHADOW_PERCENT="100").comparisons.is_chosen(
        "item", ask("request-1"), route(), served(reason)
    )
    assert is_compared is (
        reason in (Reason.ROLLOUT, Reason.HOLDOUT, Reason.ROLLED_BACK, Reason.STALE)
    )


@pytest.mark.parametrize(
    "options", [{"writes": True}, {"legacy": None}], ids=["writes", "finished migration"]
)
def test_what_must_not_or_cannot_run_twice_is_not_compared(options: dict[str, Any]) -> None:
    always = runtime(SHADOW_PERCENT="100")
    assert not always.comparisons.is_chosen("item", ask("request-1"), route(**options), served())


def await_true(look: Callable[[], bool]) -> None:
    """Return once `look` says so; raises TimeoutError where the shadow never gets there."""
    for _ in range(int(WITHIN * 100)):
        if look():
            return
        threading.Event().wait(0.01)
    raise TimeoutError("the shadow has not done it in time")


class Shop:
    """An application all of whose answers are compared, in its own thread."""

    def __init__(self, store: MemoryStore | None = None, **environ: str) -> None:
        self.legacy: Callable[..., Any] = lambda **_: {"name": "a"}
        self.domain: Callable[..., Any] = lambda **_: {"name": "a"}
        self.app = Flask("shop")
        canary = Canary()

        @self.app.get("/item")
        @canary(
            domain=lambda **_: self.domain(),
            legacy=lambda **_: self.legacy(),
            schema=Item,
        )
        def item() -> None:
            """One item."""

        given = {"SHADOW_PERCENT": "100", "SHADOW_MAX_PER_SECOND": "1000", **environ}
        canary.init_app(self.app, CanarySettings.from_environ(given), store=store)
        self.runtime: Runtime = self.app.extensions["canary"].runtime
        self.runtime.link.step()

    def get(self) -> Response:
        """An answer that its client has read to the end, but not yet closed."""
        response: Any = self.app.test_client().get("/item")
        response.get_data()
        return response  # type: ignore[no-any-return]

    def serve(self) -> str:
        """The arm of one request, which is over."""
        response = self.get()
        response.close()
        assert response.status_code == 200
        return response.headers["X-Canary"]

    def tally(self, arm: Arm) -> Tally:
        """What the ledger has of the endpoint, once the store has been told."""
        self.runtime.link.step()
        return summed(self.runtime.link.store.ledger(ALL)).get(("item", arm.value), Tally())

    def await_compared(self, arm: Arm, count: int = 1) -> Tally:
        """The same, once so many comparisons are in it."""
        await_true(lambda: self.tally(arm).compared >= count)
        return self.tally(arm)


def broken(**_: Any) -> Any:
    raise RuntimeError("broken")


def test_at_0_percent_a_broken_domain_is_found_behind_legacy() -> None:
    shop = Shop()
    shop.domain = broken
    assert shop.serve() == "legacy; reason=holdout"
    assert shop.await_compared(Arm.LEGACY).mismatched == 1
    (mismatch,) = shop.runtime.link.store.mismatches("item")
    assert (mismatch.path, mismatch.kind) == ("$", "status")


def after(*actions: Callable[[], object]) -> Callable[..., dict[str, str]]:
    """Return an implementation that answers after these actions."""

    def implementation(**_: object) -> dict[str, str]:
        for action in actions:
            action()
        return {"name": "a"}

    return implementation


def test_at_100_percent_legacy_is_run_behind_the_domain() -> None:
    ran = threading.Event()
    shop = Shop(ROLLOUT_PERCENT="100")
    shop.legacy = after(ran.set)
    assert shop.serve() == "domain; reason=rollout"
    assert ran.wait(WITHIN)
    assert shop.await_compared(Arm.DOMAIN).mismatched == 0


def test_a_domain_that_is_rolled_back_goes_on_being_compared() -> None:
    """So that an operator sees whether it is mended before resuming."""
    store = MemoryStore()
    state = RolloutState(endpoint="item", percent=100, status=Status.ROLLED_BACK)
    store.write(state, EventKind.ROLLBACK, {})
    shop = Shop(store)
    assert shop.serve() == "legacy; reason=rolled_back"
    assert shop.await_compared(Arm.LEGACY).mismatched == 0


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_the_other_arm_begins_when_the_client_has_its_answer() -> None:
    ran = threading.Event()
    shop = Shop()
    shop.domain = after(ran.set)
    response = shop.get()
    assert response.get_json() == {"name": "a"}
    assert not ran.wait(0.1)
    response.close()
    assert ran.wait(WITHIN)


def test_an_arm_that_hangs_holds_up_no_request(release: threading.Event) -> None:
    """All are answered though nothing is ever compared; what does not fit is dropped."""
    hangs = threading.Event()
    shop = Shop()
    shop.domain = after(hangs.set, release.wait)
    labels = {"endpoint": "item"}
    before = REGISTRY.get_sample_value("canary_shadow_drops_total", labels) or 0
    shop.serve()
    assert hangs.wait(WITHIN)
    for _ in range(MAX_WAITING + 3):
        assert shop.serve() == "legacy; reason=holdout"
    assert shop.tally(Arm.LEGACY).dropped == 3
    assert shop.tally(Arm.LEGACY).compared == 0
    assert REGISTRY.get_sample_value("canary_shadow_drops_total", labels) == before + 3


def faults() -> float:
    return REGISTRY.get_sample_value("canary_faults_total", {"operation": "shadow"}) or 0


def test_a_comparison_that_raises_is_a_fault_of_the_canary_and_nobodys_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("a bug")

    before = faults()
    shop = Shop()
    with monkeypatch.context() as context:
        context.setattr("detection_api.canary.shadow.noise.compare_outcomes", fail)
        assert shop.serve() == "legacy; reason=holdout"
        await_true(lambda: faults() > before)
    shop.serve()
    assert shop.await_compared(Arm.LEGACY).mismatched == 0


FORK = """
import os
from detection_api.canary.serving.decision import Arm
from tests.canary.shadow.test_queue import Shop

shop = Shop()
shop.serve()
assert shop.await_compared(Arm.LEGACY).compared == 1
child = os.fork()
if child == 0:
    shop.serve()
    shop.await_compared(Arm.LEGACY, count=2)
    os._exit(0)
_, status = os.waitpid(child, 0)
assert status == 0
shop.serve()
shop.await_compared(Arm.LEGACY, count=2)
print("parent and child compare on their own")
"""


def test_a_forked_worker_compares_in_a_thread_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert "on their own" in done.stdout
