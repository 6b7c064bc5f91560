"""One thing that is read from PostgreSQL, for every console that a worker serves."""

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
    """What was read last, if anything ever was, and whether PostgreSQL is away now."""

    value: T | None = None
    is_away: bool = False


class Cached(Generic[T]):
    """What `read` returned last, no older than FRESH_FOR unless PostgreSQL is away.

    One thread reads; others meanwhile go on with what there is. `clock` is monotonic, in seconds.
    """

    def __init__(self, read: Callable[[], T], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._reading = threading.Lock()
        self._view: View[T] = View()
        self._until = float("-inf")

    def view(self) -> View[T]:
        """What to show now."""
        if self._clock() >= self._until and self._reading.acquire(blocking=self._view == View()):
            try:
                if self._clock() >= self._until:
                    self._view = self._try()
                    self._until = self._clock() + FRESH_FOR
            finally:
                self._reading.release()
        return self._view

    def forget(self) -> None:
        """Have the next view read anew: something was changed."""
        self._until = float("-inf")

    def _try(self) -> View[T]:
        try:
            return View(self._read())
        except UNAVAILABLE as error:
            if not self._view.is_away:
                log.warning("console_cannot_read", error=str(error).strip())
            return View(self._view.value, is_away=True)
