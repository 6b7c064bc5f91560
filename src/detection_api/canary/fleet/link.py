"""One worker's exchange with the store: it learns states, and sends rollbacks and counts.

All exchange happens in one background thread; requests only read AppliedStates and add to the
ledger. The thread polls, because it must also see a change that an operator makes in SQL, and
because a connection that only listens does not notice its loss.
"""

import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from detection_api.canary.fleet.applied_states import AppliedStates
from detection_api.canary.fleet.background import Background
from detection_api.canary.state import (
    EventKind,
    Heartbeat,
    Ledger,
    Shared,
    StaleEpochError,
    Store,
)

log = structlog.get_logger(__name__)


class Leader(Protocol):
    """The additional work of the worker that leads the fleet."""

    def lead(self, shared: Shared) -> None:
        """Do one turn; called about once a second while this worker leads."""

    def abdicate(self) -> None:
        """Called at each turn in which this worker does not lead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Functions that the link calls."""

    vitals: Callable[[], Mapping[str, float]] = dict
    """Returns what the application measures of itself."""
    close: Callable[[Ledger], object] = Ledger.close
    """Closes the ledger's current batch, at the beginning of each step."""
    after_step: Callable[[], None] = lambda: None
    """Called after each step, even if the store did not answer."""
    on_resume: Callable[[str], None] = lambda _: None
    """Called with each endpoint whose rollback was taken back."""
    on_fault: Callable[[str], None] = lambda _: None
    """Called with the name of an operation that failed."""


def call(method: "weakref.WeakMethod[Callable[[], None]]") -> None:
    """Call a method if its object still exists."""
    found = method()
    if found is not None:
        found()


class FleetLink:
    """Exchanges with the store: `poll` learns and writes rollbacks, `step` sends counts too.

    A worker without a `leader` never leads. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        store: Store,
        states: AppliedStates,
        ledger: Ledger,
        *,
        leader: Leader | None = None,
        hooks: Hooks = Hooks(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self.states = states
        self.ledger = ledger
        self._leader = leader
        self._hooks = hooks
        self._clock = clock
        self.background = Background(
            step=self.step, poll=self.poll, finish=self._finish, wake=lambda: states.rolled_back
        )
        self._begin()
        begin = weakref.WeakMethod(self._begin)
        os.register_at_fork(after_in_child=lambda: call(begin))

    def _begin(self) -> None:
        """Be a new worker: a forked one shares no thread, lock or count with its parent."""
        self.states.begin()
        self.ledger.begin()
        self.background.begin()
        self._started_at = self._clock()
        self._failing: set[str] = set()
        self._polling = threading.Lock()

    def step(self) -> None:
        """Do a whole turn: learn states, send rollbacks and counts, lead if this worker leads."""
        self._attempt("close_batch", lambda: self._hooks.close(self.ledger))
        if self.poll():
            self._attempt("flush", self._flush)
            self._attempt("lead", self._lead)
        self._attempt("after_step", self._hooks.after_step)

    def poll(self) -> bool:
        """Learn states and write rollbacks; return whether the store could be read."""
        with self._polling:  # an older answer must not be learned after a newer one
            if not self._attempt("read_store", self._learn):
                return False
        self._attempt("write_rollback", self._write_rollbacks)
        return True

    def _learn(self) -> None:
        for endpoint in self.states.learn(self.store.read()):
            self._hooks.on_resume(endpoint)

    def _write_rollbacks(self) -> None:
        for state, evidence in self.states.unwritten():
            try:
                self.store.write(state, EventKind.ROLLBACK, evidence)
            except StaleEpochError:
                log.info(
                    "rollback_waits", endpoint=state.endpoint, reason="its state has just changed"
                )

    def _flush(self) -> None:
        """Send what was counted: one batch a turn, several only after the store was away."""
        vitals = self._hooks.vitals()
        while (oldest := self.ledger.oldest()) is not None:
            number, batch = oldest
            heartbeat = Heartbeat(
                worker=self.states.worker,
                uptime=self._clock() - self._started_at,
                epochs=self.states.epochs(),
                totals=self.ledger.totals,
                vitals=vitals,
            )
            self.store.flush(heartbeat, number, batch, self._clock() - batch.since)
            self.ledger.sent()

    def _lead(self) -> None:
        if self._leader is None:
            return
        if self.store.lead():
            self._leader.lead(self.states.shared)
        else:
            self._leader.abdicate()

    def _attempt(self, operation: str, work: Callable[[], object]) -> bool:
        """Do `work`; count each failure, and log it once until the work succeeds again."""
        try:
            work()
        except Exception:
            if operation not in self._failing:
                log.exception("canary_sync_failed", operation=operation)
            self._failing.add(operation)
            self._hooks.on_fault(operation)
            return False
        if operation in self._failing:
            log.info("canary_sync_recovered", operation=operation)
            self._failing.remove(operation)
        return True

    def _finish(self) -> None:
        """Send what is left; try twice, because a lost connection only shows when it is used."""
        self.step()
        if self.ledger.oldest() is not None:
            self._attempt("flush", self._flush)
