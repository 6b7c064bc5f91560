"""Keeps the last good answers for an outage of both arms (stale-if-error, RFC 5861)."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MAX_BYTES = 16 << 20
"""The most that a worker keeps; the oldest answers are dropped first."""
OVERHEAD = 1 << 10
"""An upper bound on the bytes that an answer takes beside its body and its key."""


@dataclass(frozen=True, slots=True)
class Good:
    """An answer that kept its contract: its JSON, and the route's headers."""

    body: bytes
    headers: Mapping[str, str]


class LastGood:
    """The newest good answer to each question, for `max_age` seconds; nothing if that is 0.

    `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        max_age: float,
        *,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_age = max_age
        self.is_on = max_age > 0
        """Whether answers are kept."""
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[Good, float]] = OrderedDict()
        self._bytes = 0

    def keep(self, question: str, good: Good) -> None:
        """Make `good` the last good answer to `question`."""
        now = self._clock()
        with self._lock:
            self._forget(question)
            self._kept[question] = (good, now)
            self._bytes += _size(question, good)
            while self._bytes > self._max_bytes:
                self._forget(next(iter(self._kept)))

    def find(self, question: str) -> tuple[Good, float] | None:
        """Return the last good answer to `question` and its age in seconds, or None."""
        with self._lock:
            good, at = self._kept.get(question, (None, 0.0))
        age = self._clock() - at
        return (good, age) if good is not None and age <= self._max_age else None

    def _forget(self, question: str) -> None:
        if question in self._kept:
            good, _ = self._kept.pop(question)
            self._bytes -= _size(question, good)


def _size(question: str, good: Good) -> int:
    return len(good.body) + len(question) + OVERHEAD
