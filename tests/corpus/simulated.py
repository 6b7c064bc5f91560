"""Simulated time, and a store that can be away."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from psycopg2 import OperationalError

from detection_api.canary import MemoryStore
from detection_api.canary.fleet.background import Background
from detection_api.canary.fleet.runtime import Runtime
from detection_api.canary.serving.engine import Engine
from tests.corpus.world import START


@dataclass(slots=True)
class Clock:
    """Seconds since the start; all clocks show it."""

    seconds: float = 0.0

    def now(self) -> datetime:
        """Return the store's time."""
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Return the time of durations."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


@contextmanager
def simulated(clock: Clock) -> Iterator[None]:
    """Have what is made within read this clock, and start no thread."""
    defaults: list[Any] = [made.__init__.__kwdefaults__ for made in (Runtime, Engine)]
    with patch.object(Background, "start"):
        for default in defaults:
            default["clock"] = clock.monotonic
        try:
            yield
        finally:
            for default, real in zip(defaults, (time.monotonic, time.perf_counter), strict=True):
                default["clock"] = real


class Store(MemoryStore):
    """A store that can be away."""

    is_away = False

    def read(self) -> Any:
        """See Store."""
        self._require()
        return super().read()

    def flush(self, *arguments: Any) -> None:
        """See Store."""
        self._require()
        super().flush(*arguments)

    def _require(self) -> None:
        if self.is_away:
            raise OperationalError("the store is away")
