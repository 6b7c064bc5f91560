"""Joins the canary's parts for one application; knows no Flask. Read `Runtime.serve` first."""

import math
import os
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from detection_api.canary import metrics
from detection_api.canary.fleet.applied_states import AppliedStates
from detection_api.canary.fleet.comparisons import Comparisons
from detection_api.canary.fleet.deaths import Deaths
from detection_api.canary.fleet.fleet_guard import FleetGuard
from detection_api.canary.fleet.link import FleetLink, Hooks, call
from detection_api.canary.fleet.local_guard import LocalGuard
from detection_api.canary.fleet.reasons import with_pin
from detection_api.canary.serving import (
    Calls,
    CanaryRequest,
    CanarySettings,
    DeadlinePool,
    Engine,
    Result,
    Route,
)
from detection_api.canary.state import Ledger, RolloutState, Status, Store

DEADLINE_THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class HostApplication:
    """The parts of the application that the canary calls."""

    endpoints: tuple[str, ...]
    answers: tuple[type[Exception], ...] = ()
    """Exceptions that are answers and not failures."""
    vitals: Callable[[], Mapping[str, float]] = dict
    """Returns what each worker measures of itself."""
    context: Callable[[], AbstractContextManager[Any]] = nullcontext
    """Entered around implementations that run after the response."""
    calls_folder: Path | None = None
    """The folder in which the processes of one instance record their calls of the domain."""


class Runtime:
    """The canary of one application in one worker.

    A worker that `is_alone` shares its store with no other worker: it needs no background thread,
    and its states never become stale. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        overrides: CanarySettings,
        store: Store,
        host: HostApplication,
        *,
        is_alone: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.overrides = overrides
        self.endpoints = host.endpoints
        self._is_alone = is_alone
        self._calls = Calls(host.endpoints, host.calls_folder)
        self._engine = Engine(
            overrides, host.answers, DeadlinePool(DEADLINE_THREADS), calls=self._calls
        )
        stale_after = math.inf if is_alone else overrides.stale_after
        self.states = AppliedStates(stale_after=stale_after, clock=clock)
        ledger = Ledger(clock)
        self._local_guard = LocalGuard(
            self.states,
            ledger,
            roll_back=self._roll_back,
            share=overrides.share_of,
            clock=clock,
        )
        self.account = self._local_guard.account
        self._deaths = Deaths(host.calls_folder, ledger, on_death=self._local_guard.judge_death)
        self._fleet_guard = FleetGuard(
            store,
            roll_back=self._roll_back,
            share=overrides.share_of,
            retention=timedelta(days=overrides.retention_days),
            clock=clock,
        )
        self.comparisons = Comparisons(
            overrides,
            self._engine,
            self.states,
            ledger,
            on_outcome=self._local_guard.judge_comparison,
            context=host.context,
            clock=clock,
        )
        hooks = Hooks(
            vitals=host.vitals,
            close=self._close,
            after_step=self._show,
            on_resume=self._local_guard.forget,
            on_fault=metrics.count_fault,
        )
        self.link = FleetLink(
            store, self.states, ledger, leader=self._fleet_guard, hooks=hooks, clock=clock
        )
        self._ensure_started = self.link.background.start
        for endpoint in self.endpoints:
            metrics.begin(endpoint)
        if is_alone:
            self.link.step()
        begin = weakref.WeakMethod(self._begin)
        os.register_at_fork(after_in_child=lambda: call(begin))

    def _begin(self) -> None:
        """Forget, in a forked worker, what its parent has gathered."""
        self._calls.begin()
        self.comparisons.shadow.begin()
        self._local_guard.begin()
        self._fleet_guard.abdicate()

    def start(self, within: float = 0) -> None:
        """Start the background thread; wait at most `within` seconds for the store's first news."""
        if not self._is_alone:
            self._ensure_started()
            if within:
                self.states.wait_until_heard(within)

    def serve(
        self, route: Route, endpoint: str, ask: CanaryRequest, arguments: Mapping[str, Any]
    ) -> Result:
        """Serve a request by the state that this worker applies.

        The first request starts the background thread, unless `start` has.
        """
        try:
            if not self._is_alone:
                self._ensure_started()
            state = self.states.state(endpoint)
        except Exception:  # noqa: BLE001 - a fault of the canary must not become the client's
            metrics.fault("read_state", endpoint=endpoint)
            state = RolloutState(endpoint=endpoint, status=Status.UNKNOWN)
        return self._engine.serve(route, state, ask, arguments)

    def _roll_back(
        self, endpoint: str, *, reason: str, by: str, evidence: Mapping[str, Any]
    ) -> None:
        """Roll an endpoint back; the reason names a variable that pins its percentage."""
        reason = with_pin(reason, self.overrides.pin_of(endpoint))
        self.states.roll_back(endpoint, reason=reason, by=by, evidence=evidence)

    def _close(self, ledger: Ledger) -> None:
        """Count all requests that were served, in the ledger and in Prometheus' counters."""
        self._deaths.look()
        self._local_guard.settle()
        metrics.show_counts(ledger.close())

    def _show(self) -> None:
        """Set the gauges to what this worker applies now."""
        metrics.STORE_AGE.set(self.states.age)
        for endpoint in self.endpoints:
            state = self.states.state(endpoint)
            metrics.show_state(
                endpoint,
                percent=self.overrides.percent_of(state),
                rolled_back=not state.status.exposes,
                epoch=state.epoch,
            )
            if variable := self.overrides.pin_of(endpoint):
                metrics.PINNED.labels(endpoint, variable).set(self.overrides.percent_of(state))
        levels = {"worker": self._local_guard.guards, "fleet": self._fleet_guard.guards}
        for level, guards in levels.items():
            for endpoint, guard in list(guards.items()):
                points = {signal.value: value for signal, value in guard.points().items()}
                metrics.show_points(endpoint, level, points)
