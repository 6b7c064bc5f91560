"""Rollout state: what a store promises, and the store of one process."""

import threading
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol


class Status(Enum):
    """Whether an endpoint's percentage applies."""

    ACTIVE = "active"
    """It does."""
    ROLLED_BACK = "rolled_back"
    """It does not: everything goes to legacy until an operator resumes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutState:
    """One endpoint's exposure; `percent` is 0..100, `epoch` counts the changes."""

    endpoint: str
    percent: float = 0.0
    status: Status = Status.ACTIVE
    reason: str = ""
    epoch: int = 0


class StaleEpochError(Exception):
    """The state was changed by somebody else since it was read; read it again."""


class Store(Protocol):
    """Keeps every endpoint's state; all implementations pass the same suite of promises."""

    def read(self, endpoint: str) -> RolloutState:
        """The endpoint's state; the default's percent where the endpoint has none of its own."""

    def write(self, state: RolloutState) -> RolloutState:
        """Compare-and-swap: store `state` if its epoch is still the stored one.

        Returns what is stored now, at the next epoch; raises StaleEpochError.
        """


DEFAULT = "*"
"""The endpoint name under which a store keeps the default percent."""


class MemoryStore:
    """A store for one process; safe under threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[str, RolloutState] = {}

    def read(self, endpoint: str) -> RolloutState:
        """See `Store.read`."""
        state = self._states.get(endpoint)
        if state is not None:
            return state
        default = self._states.get(DEFAULT)
        return RolloutState(endpoint=endpoint, percent=default.percent if default else 0.0)

    def write(self, state: RolloutState) -> RolloutState:
        """See `Store.write`."""
        with self._lock:
            current = self._states.get(state.endpoint)
            if state.epoch != (current.epoch if current else 0):
                raise StaleEpochError(state.endpoint)
            stored = replace(state, epoch=state.epoch + 1)
            self._states[state.endpoint] = stored
            return stored
