"""A value read from PostgreSQL and shared by every console that a worker serves."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from detection_api.db import UNAVAILABLE

log = structlog.get_logger(__name__)

FRESH_FOR = 0.9
"""Seconds that one read serves all consoles; each asks once a second."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class View(Generic[T]):
    """The value read last, None before the first read; `is_away` if PostgreSQL is unreachable."""

    value: T | None = None
    is_away: bool = False


class Cached(Generic[T]):
    """Holds the last result of `read`, at most FRESH_FOR old unless PostgreSQL is unreachable.

    One thread reads; the others use the last result meanwhile. `clock` is monotonic, in seconds.
    """

    def __init__(self, read: Callable[[], T], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._reading = threading.Lock()
        self._view: View[T] = View()
        self._until = float("-inf")

    def view(self) -> View[T]:
        """Return the value to show now."""
        if self._clock() >= self._until and self._reading.acquire(blocking=self._view == View()):
            try:
                if self._clock() >= self._until:
                    self._view = self._try()
                    self._until = self._clock() + FRESH_FOR
            finally:
                self._reading.release()
        return self._view

    def forget(self) -> None:
        """Make the next view read again, after a change."""
        self._until = float("-inf")

    def _try(self) -> View[T]:
        try:
            return View(self._read())
        except UNAVAILABLE as error:
            if not self._view.is_away:
                log.warning("console_cannot_read", error=str(error).strip())
            return View(self._view.value, is_away=True)
