"""The state of each endpoint that one worker applies, and the rollbacks that it has made."""

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from detection_api.canary.state import (
    DEFAULT,
    AcceptedDifference,
    RolloutState,
    Shared,
    Status,
    effective,
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """A rollback that this worker applies, even while the store does not have it."""

    reason: str
    by: str
    evidence: Mapping[str, Any]
    based_on: RolloutState


class AppliedStates:
    """Requests read states here; the background thread writes what it learns from the store.

    After `stale_after` seconds without news from the store every state is UNKNOWN. `clock` is
    monotonic, in seconds.
    """

    def __init__(self, *, stale_after: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stale_after = stale_after
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """Start without knowledge, as a new or forked worker does."""
        self.worker = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.accepted: tuple[AcceptedDifference, ...] = ()
        self.rolled_back = threading.Event()
        """Set by each new rollback, so that the background thread writes it at once."""
        self._started_at = self._clock()
        self._heard_at: float | None = None
        self._heard = threading.Event()
        self._stored: Mapping[str, RolloutState] = {}
        self._applied: dict[str, RolloutState] = {}
        self._rollbacks: dict[str, Rollback] = {}
        self._lock = threading.Lock()

    def state(self, endpoint: str) -> RolloutState:
        """Return the state that applies to `endpoint`; UNKNOWN if the store is lost."""
        state = self._applied.get(endpoint) or self._apply(endpoint)
        heard_at = self._heard_at
        if heard_at is None or self._clock() - heard_at > self._stale_after:
            return replace(state, status=Status.UNKNOWN)
        return state

    @property
    def age(self) -> float:
        """Seconds since the last news from the store, or since the start if there was none."""
        heard_at = self._heard_at
        return self._clock() - (self._started_at if heard_at is None else heard_at)

    @property
    def shared(self) -> Shared:
        """The states and accepted differences that the store had when it was last read."""
        return Shared(states=self._stored, accepted=self.accepted)

    def wait_until_heard(self, seconds: float) -> bool:
        """Wait at most `seconds` for the first news from the store; return whether it came."""
        return self._heard.wait(seconds)

    def roll_back(
        self, endpoint: str, *, reason: str, by: str, evidence: Mapping[str, Any]
    ) -> None:
        """Send all requests to legacy from now on, and have the whole fleet do so.

        The worker applies the rollback while the store is away; the background thread writes it
        as soon as the store is back.
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
        self.rolled_back.set()

    def learn(self, shared: Shared) -> tuple[str, ...]:
        """Apply what the store has; return the endpoints that were resumed since the last time."""
        with self._lock:
            before, self._stored = self._applied, shared.states
            self._applied = {}
            for endpoint in before:
                self._forget_outdated(endpoint)
                self._apply(endpoint)
            self.accepted = shared.accepted
            self._heard_at = self._clock()
        self._heard.set()
        return tuple(
            endpoint
            for endpoint, old in before.items()
            if old.resumed_at != self.state(endpoint).resumed_at
        )

    def unwritten(self) -> Iterator[tuple[RolloutState, Mapping[str, Any]]]:
        """Iterate over the states that the store lacks, each with the evidence for its rollback."""
        for endpoint, rollback in list(self._rollbacks.items()):
            state = replace(
                effective(self._stored, endpoint),
                status=Status.ROLLED_BACK,
                reason=rollback.reason,
                by=rollback.by,
            )
            yield state, rollback.evidence

    def epochs(self) -> dict[str, int]:
        """Return the epoch of each applied state, and the default's if the store has one."""
        default = self._stored.get(DEFAULT)
        applied = {endpoint: state.epoch for endpoint, state in list(self._applied.items())}
        return {**applied, DEFAULT: default.epoch} if default else applied

    def _apply(self, endpoint: str) -> RolloutState:
        """Compute and keep the state that applies to `endpoint`."""
        state = effective(self._stored, endpoint)
        rollback = self._rollbacks.get(endpoint)
        if rollback is not None:
            state = replace(state, status=Status.ROLLED_BACK, reason=rollback.reason)
        self._applied[endpoint] = state
        return state

    def _forget_outdated(self, endpoint: str) -> None:
        """Drop a rollback that the store has, or whose evidence is older than a resume."""
        rollback = self._rollbacks.get(endpoint)
        stored = effective(self._stored, endpoint)
        if rollback is not None and (
            stored.status is Status.ROLLED_BACK or stored.resumed_at != rollback.based_on.resumed_at
        ):
            del self._rollbacks[endpoint]
