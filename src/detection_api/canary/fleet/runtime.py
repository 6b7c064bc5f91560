"""Joins the canary's parts for one application; knows no Flask. Read `serve` and `account`."""

import math
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

import structlog

from detection_api.canary import metrics
from detection_api.canary.fleet.accounting import (
    FailedClients,
    Ordinary,
    count,
    count_judged,
    count_ordinary,
    judged,
    ordinary,
)
from detection_api.canary.fleet.fleet_guard import FleetGuard, reason_of
from detection_api.canary.fleet.link import FleetLink, call
from detection_api.canary.guard import Alarm, Guard, Verdict
from detection_api.canary.serving import (
    CanaryRequest,
    CanarySettings,
    DeadlinePool,
    Engine,
    Reason,
    Result,
    Route,
    is_in,
)
from detection_api.canary.shadow import Comparer, Job, Shadow
from detection_api.canary.state import Arm, Ledger, RolloutState, Status, Store

log = structlog.get_logger(__name__)

DEADLINE_THREADS = 8
MAX_NOTED = 64
"""Ordinary requests that wait to be counted: some tenths of a millisecond's work."""

_COMPARED = frozenset({Reason.ROLLOUT, Reason.HOLDOUT, Reason.ROLLED_BACK, Reason.STALE})
"""Reasons whose answers may be compared: decided ones, but the kill switch means no domain."""


class Runtime:
    """What one application's canary works with.

    One that `is_alone` shares its store with nobody: nothing runs in the background, and there is
    no fleet to lose. `context` is entered around implementations that run after the response.
    """

    def __init__(
        self,
        overrides: CanarySettings,
        store: Store,
        *,
        answers: tuple[type[Exception], ...],
        endpoints: Iterable[str],
        is_alone: bool,
        vitals: Callable[[], Mapping[str, float]] = dict,
        context: Callable[[], AbstractContextManager[Any]] = nullcontext,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.overrides = overrides
        self._engine = Engine(overrides, answers, DeadlinePool(DEADLINE_THREADS))
        self.endpoints = tuple(endpoints)
        self._failed_clients = FailedClients(clock)
        self._guards: dict[str, Guard] = {}
        self._noted: deque[Ordinary] = deque()
        self._settling = threading.RLock()
        self.sync = FleetLink(
            store,
            stale_after=math.inf if is_alone else overrides.stale_after,
            vitals=vitals,
            close=self._close,
            after_step=self._show,
            on_resume=self._forget_evidence,
            on_fault=metrics.count_fault,
            clock=clock,
        )
        self.sync.leader = self._fleet = self._fleet_guard(store, clock)
        self.shadow = self._comparisons(context, clock)
        for endpoint in self.endpoints:
            metrics.begin(endpoint)
        self._is_alone = is_alone
        if is_alone:
            self.sync.step()
        begin = weakref.WeakMethod(self._begin)
        os.register_at_fork(after_in_child=lambda: call(begin))

    def _fleet_guard(self, store: Store, clock: Callable[[], float]) -> FleetGuard:
        return FleetGuard(
            store,
            roll_back=self._roll_back,
            share=self._share,
            retention=timedelta(days=self.overrides.retention_days),
            clock=clock,
        )

    def _comparisons(
        self, context: Callable[[], AbstractContextManager[Any]], clock: Callable[[], float]
    ) -> Shadow:
        examiner = Comparer(
            self._engine,
            self.sync,
            store_values=self.overrides.store_values,
            settle=self.overrides.settle,
            clock=clock,
        )
        return Shadow(
            examiner.look,
            per_second=self.overrides.shadow_per_second,
            on_drop=self._count_drop,
            on_fault=metrics.fault,
            context=context,
            clock=clock,
        )

    def _begin(self) -> None:
        """Forget, in a forked worker, what its parent has gathered."""
        self.shadow.begin()
        self._guards = {}
        self._noted = deque()
        self._settling = threading.RLock()
        self._fleet.abdicate()

    def start(self, within: float = 0) -> None:
        """Run the background thread, and wait up to `within` seconds for the store's first word."""
        if not self._is_alone:
            self.sync.start()
            if within:
                self.sync.wait_until_heard(within)

    def serve(
        self, route: Route, endpoint: str, ask: CanaryRequest, arguments: Mapping[str, Any]
    ) -> Result:
        """Serve a request by the state that this worker applies.

        The thread that learns of it is started by the first request at the latest.
        """
        try:
            if not self._is_alone:
                self.sync.start()
            state = self.sync.state(endpoint)
        except Exception:  # noqa: BLE001 - its own fault must not become the client's
            metrics.fault("read_state", endpoint=endpoint)
            state = RolloutState(endpoint=endpoint, status=Status.UNKNOWN)
        return self._engine.serve(route, state, ask, arguments)

    def account(self, endpoint: str, ask: CanaryRequest, served: Result, status: int) -> None:
        """Count a request that was answered with `status`, and have the guard judge it.

        An ordinary one waits for others, until there are MAX_NOTED or one that is not ordinary, or
        until the background thread's next turn: together they cost less.
        """
        if request := ordinary(endpoint, ask, served, status):
            self._noted.append(request)
            if len(self._noted) >= MAX_NOTED:
                self._settle()
        else:
            self._settle()
            self._account(endpoint, ask, served, status)

    def _settle(self) -> None:
        """Count the ordinary requests that were noted, and have the guard judge them.

        Whoever comes meanwhile waits until that is done: what came first is judged first.
        """
        with self._settling:
            taken = [self._noted.popleft() for _ in range(len(self._noted))]
            if taken:
                with self.sync.ledger as batch:
                    for request in taken:
                        count_ordinary(batch, request)
            for request in taken:
                feed = self._feed(request.endpoint, request.arm)
                if alarms := feed(False, request.seconds, request.share, request.request_id):
                    self._act(request.endpoint, alarms)

    def _account(self, endpoint: str, ask: CanaryRequest, served: Result, status: int) -> None:
        verdict = judged(served)
        if verdict and verdict[1] and not self._failed_clients.counts(endpoint, ask):
            verdict = None
        seconds = served.observations[0].seconds
        with self.sync.ledger as batch:
            tally = count(batch, endpoint, served, status)
            if verdict:
                count_judged(tally, bad=verdict[1], seconds=seconds, request_id=ask.request_id)
        if verdict:
            arm, bad = verdict
            feed = self._feed(endpoint, arm)
            self._act(endpoint, feed(bad, seconds, served.decision.share, ask.request_id))

    def _feed(self, endpoint: str, arm: Arm) -> Callable[..., tuple[Alarm, ...]]:
        """What judges the requests of an endpoint's arm."""
        guard = self._guards.get(endpoint) or self._guards.setdefault(endpoint, Guard())
        return guard.domain if arm is Arm.DOMAIN else guard.legacy

    def _act(self, endpoint: str, alarms: Iterable[Alarm]) -> None:
        for alarm in alarms:
            if alarm.signal.verdict is Verdict.ROLLBACK:
                self._roll_back(endpoint, alarm, self.sync.worker)
            else:
                last = alarm.evidence["last_request_id"]
                log.warning(
                    "guard_alarm", endpoint=endpoint, reason=reason_of(alarm), request_id=last
                )

    def _share(self, state: RolloutState) -> float:
        """The share (0..1) of an endpoint's requests that the domain gets."""
        if not (state.status.exposes and self.overrides.use_domain):
            return 0.0
        return self.overrides.percent_of(state) / 100

    def _roll_back(self, endpoint: str, alarm: Alarm, by: str) -> None:
        self.sync.roll_back(endpoint, reason=reason_of(alarm), by=by, evidence=alarm.evidence)

    def _forget_evidence(self, endpoint: str) -> None:
        """What was gathered against an endpoint does not count once it is resumed, told or not."""
        with self._settling:
            self._settle()
            self._guards.pop(endpoint, None)
            self.sync.ledger.forget_judged(endpoint)

    def is_compared(self, endpoint: str, ask: CanaryRequest, route: Route, served: Result) -> bool:
        """Whether this answer is in the sample of shadow comparisons.

        The sample at 10 percent is a part of that at 25: it is drawn by the request's id.
        """
        return (
            self.overrides.shadow_percent > 0
            and route.legacy is not None
            and not route.writes
            and served.reason in _COMPARED
            and is_in(f"shadow {endpoint}", ask.request_id, self.overrides.shadow_percent)
        )

    def compare(
        self,
        endpoint: str,
        ask: CanaryRequest,
        route: Route,
        served: Result,
        arguments: Mapping[str, Any],
    ) -> None:
        """Have the answer compared with the other arm's, soon, where that is wanted."""
        try:
            state = self.sync.state(endpoint)
        except Exception:  # noqa: BLE001 - its own fault must not become the client's
            metrics.fault("read_state", endpoint=endpoint)
            return
        self.shadow.offer(
            Job(
                endpoint=endpoint,
                route=route,
                arguments=arguments,
                answered=served.result,
                request_id=ask.request_id,
                state=state,
            )
        )

    def _count_drop(self, job: Job) -> None:
        with self.sync.ledger as batch:
            batch.tally(job.endpoint, job.answered.arm).dropped += 1

    def _close(self, ledger: Ledger) -> None:
        """Have everything that was served counted, here and by Prometheus."""
        self._settle()
        metrics.show_counts(ledger.close())

    def _show(self) -> None:
        """Set the gauges to what this worker applies now."""
        metrics.STORE_AGE.set(self.sync.age)
        for endpoint in self.endpoints:
            state = self.sync.state(endpoint)
            metrics.show_state(
                endpoint,
                percent=self.overrides.percent_of(state),
                rolled_back=not state.status.exposes,
                epoch=state.epoch,
            )
        for level, guards in (("worker", self._guards), ("fleet", self._fleet.guards)):
            for endpoint, guard in list(guards.items()):
                points = {signal.value: value for signal, value in guard.points().items()}
                metrics.show_points(endpoint, level, points)
