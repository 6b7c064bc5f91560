"""One worker's link with the fleet: it learns of changes and tells what it counted.

One background thread does all talking to the store; requests only read what it has learned and
add to what it will tell. Polling, because a change that an operator makes by hand in SQL must be
seen as well, and because a connection that is only listened on tells nothing when it is lost.
"""

import atexit
import os
import socket
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import structlog

from detection_api.canary.state import (
    DEFAULT,
    AcceptedDifference,
    EventKind,
    Heartbeat,
    Ledger,
    RolloutState,
    Shared,
    StaleEpochError,
    Status,
    Store,
    effective,
)

log = structlog.get_logger(__name__)

INTERVAL = 0.5
"""Seconds between two reads of the store; counts are flushed at every other one."""
STOP_WITHIN = 3.0
"""Seconds that a worker which ends waits for its background thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """A rollback that this worker keeps to, whether or not the store knows of it yet."""

    reason: str
    by: str
    evidence: Mapping[str, Any]
    based_on: RolloutState


class Leader(Protocol):
    """What the fleet's leader does besides."""

    def lead(self, shared: Shared) -> None:
        """One turn; called about once a second while this worker leads."""

    def abdicate(self) -> None:
        """Another worker leads, or none."""


def call(method: "weakref.WeakMethod[Callable[[], None]]") -> None:
    """Call a method whose object may be gone."""
    found = method()
    if found is not None:
        found()


class FleetLink:
    """What one worker knows of the fleet; `state` is for its requests, `step` for its thread.

    `vitals` are what the application measures of itself; `close` closes the ledger's batch at the
    beginning of each step, `after_step` is called after it, whether or not the store answered,
    `on_resume` with each endpoint whose rollback was taken back, and `on_fault` with the name of an
    operation that failed. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        store: Store,
        *,
        stale_after: float,
        vitals: Callable[[], Mapping[str, float]] = dict,
        close: Callable[[Ledger], object] = Ledger.close,
        after_step: Callable[[], None] = lambda: None,
        on_resume: Callable[[str], None] = lambda _: None,
        on_fault: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self.leader: Leader | None = None
        self._close = close
        self._after_step = after_step
        self._on_resume = on_resume
        self._stale_after = stale_after
        self._vitals = vitals
        self._on_fault = on_fault
        self._clock = clock
        self._begin()
        begin = weakref.WeakMethod(self._begin)
        os.register_at_fork(after_in_child=lambda: call(begin))

    def _begin(self) -> None:
        """Be a worker of its own: a forked one shares no thread, lock or count with its parent."""
        self.worker = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.ledger = Ledger(self._clock)
        self.accepted: tuple[AcceptedDifference, ...] = ()
        self._started_at = self._clock()
        self._heard_at: float | None = None
        self._heard = threading.Event()
        self._states: Mapping[str, RolloutState] = {}
        self._applied: dict[str, RolloutState] = {}
        self._rollbacks: dict[str, Rollback] = {}
        self._failing: set[str] = set()
        self._lock = threading.Lock()
        self._polling = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def state(self, endpoint: str) -> RolloutState:
        """The state that this worker applies to `endpoint`; UNKNOWN when the store is lost."""
        state = self._applied.get(endpoint) or self._apply(endpoint)
        heard_at = self._heard_at
        if heard_at is None or self._clock() - heard_at > self._stale_after:
            return replace(state, status=Status.UNKNOWN)
        return state

    @property
    def age(self) -> float:
        """Seconds since the store was last heard from; since the start where it never was."""
        heard_at = self._heard_at
        return self._clock() - (self._started_at if heard_at is None else heard_at)

    def roll_back(
        self, endpoint: str, *, reason: str, by: str, evidence: Mapping[str, Any]
    ) -> None:
        """Send everything to legacy from now on, and have the whole fleet do so.

        The worker keeps to it while the store is away, and tells the store when it is back.
        """
        with self._lock:
            state = self._apply(endpoint)
            if state.status is Status.ROLLED_BACK:
                return
            self._rollbacks[endpoint] = Rollback(
                reason=reason, by=by, evidence=evidence, based_on=state
            )
            self._apply(endpoint)
        log.error("rolled_back", endpoint=endpoint, reason=reason, by=by)
        self._wake.set()

    def _apply(self, endpoint: str) -> RolloutState:
        """Work out and remember what applies to `endpoint`."""
        state = effective(self._states, endpoint)
        rollback = self._rollbacks.get(endpoint)
        if rollback is not None:
            state = replace(state, status=Status.ROLLED_BACK, reason=rollback.reason)
        self._applied[endpoint] = state
        return state

    def step(self) -> None:
        """Everything once: learn, tell of rollbacks and counts, lead where this worker leads."""
        self._attempt("close_batch", lambda: self._close(self.ledger))
        if self.poll():
            self._attempt("flush", self._flush)
            self._attempt("lead", self._lead)
        self._attempt("after_step", self._after_step)

    def poll(self) -> bool:
        """Learn of changes and tell of rollbacks; whether the store could be read."""
        with self._polling:  # what was read earlier must not be learned later
            if not self._attempt("read_store", lambda: self._learn(self.store.read())):
                return False
        self._attempt("write_rollback", self._write_rollbacks)
        return True

    def _learn(self, shared: Shared) -> None:
        with self._lock:
            before, self._states = self._applied, shared.states
            self._applied = {}
            for endpoint in before:
                self._forget_outdated(endpoint)
                self._apply(endpoint)
            self.accepted = shared.accepted
            self._heard_at = self._clock()
        self._heard.set()
        for endpoint, old in before.items():
            if old.resumed_at != self.state(endpoint).resumed_at:
                self._on_resume(endpoint)

    def _forget_outdated(self, endpoint: str) -> None:
        """Drop a rollback that the store has, or whose evidence is from before a resume."""
        rollback = self._rollbacks.get(endpoint)
        stored = effective(self._states, endpoint)
        if rollback is not None and (
            stored.status is Status.ROLLED_BACK or stored.resumed_at != rollback.based_on.resumed_at
        ):
            del self._rollbacks[endpoint]

    def _write_rollbacks(self) -> None:
        for endpoint, rollback in list(self._rollbacks.items()):
            state = replace(
                effective(self._states, endpoint),
                status=Status.ROLLED_BACK,
                reason=rollback.reason,
                by=rollback.by,
            )
            try:
                self.store.write(state, EventKind.ROLLBACK, rollback.evidence)
            except StaleEpochError:
                log.info("rollback_waits", endpoint=endpoint, reason="its state has just changed")

    def _flush(self) -> None:
        """Send what was counted: one batch a turn, more only after the store was away."""
        vitals = self._vitals()
        while (oldest := self.ledger.oldest()) is not None:
            number, batch = oldest
            heartbeat = Heartbeat(
                worker=self.worker,
                uptime=self._clock() - self._started_at,
                epochs=self._epochs(),
                totals=self.ledger.totals,
                vitals=vitals,
            )
            self.store.flush(heartbeat, number, batch, self._clock() - batch.since)
            self.ledger.sent()

    def _epochs(self) -> dict[str, int]:
        """The epochs that this worker applies; the default's too, once there is one."""
        default = self._states.get(DEFAULT)
        applied = {endpoint: state.epoch for endpoint, state in list(self._applied.items())}
        return {**applied, DEFAULT: default.epoch} if default else applied

    def _lead(self) -> None:
        if self.leader is None:
            return
        if self.store.lead():
            self.leader.lead(Shared(states=self._states, accepted=self.accepted))
        else:
            self.leader.abdicate()

    def _attempt(self, operation: str, work: Callable[[], object]) -> bool:
        """Do `work`; its failure is counted, and logged once until it succeeds again."""
        try:
            work()
        except Exception:
            if operation not in self._failing:
                log.exception("canary_sync_failed", operation=operation)
            self._failing.add(operation)
            self._on_fault(operation)
            return False
        if operation in self._failing:
            log.info("canary_sync_recovered", operation=operation)
            self._failing.remove(operation)
        return True

    def start(self) -> None:
        """Start the background thread of this process, unless it runs."""
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                self._stopping = False
                thread = threading.Thread(target=self._run, name="canary-sync", daemon=True)
                thread.start()  # where there is none to be had, the next request tries again
                self._thread = thread
                atexit.register(self.stop)

    def wait_until_heard(self, seconds: float) -> bool:
        """Wait for the first word from the store, at most so long; whether there was one."""
        return self._heard.wait(seconds)

    def stop(self) -> None:
        """End the background thread and tell the store what is left to tell."""
        thread = self._thread
        if thread is None:
            return
        self._stopping = True
        self._wake.set()
        thread.join(STOP_WITHIN)
        if not thread.is_alive():
            self._thread = None
            self.step()
            if self.ledger.oldest() is not None:  # a lost connection shows when it is used
                self._attempt("flush", self._flush)
        atexit.unregister(self.stop)

    def _run(self) -> None:
        is_turn_to_flush = True
        while not self._stopping:
            self.step() if is_turn_to_flush else self.poll()
            is_turn_to_flush = not is_turn_to_flush
            self._wake.wait(INTERVAL)
            self._wake.clear()
