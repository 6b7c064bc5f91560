"""Send the requests of the demo's clients to an instance, and count the answers."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from detection_api.dev.demo.clients import DemoRequest
from detection_api.web.client import Client, Reply, UnreachableError

STICKY = "X-Client-Id"
CATCH_UP = 1.0
"""The schedule may fall behind by this many seconds; then it skips requests."""


@dataclass
class TrafficCount:
    """The number of requests, by result."""

    requests: int = 0
    domain: int = 0
    fallbacks: int = 0
    errors: int = 0
    unanswered: int = 0

    def add(self, reply: Reply | None) -> None:
        """Count a request and its answer; None if there was no answer."""
        self.requests += 1
        if reply is None:
            self.unanswered += 1
            return
        canary = reply.canary
        self.domain += canary["arm"] == "domain"
        self.fallbacks += canary.get("reason") == "fallback"
        self.errors += reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    def __str__(self) -> str:
        answered = max(1, self.requests - self.unanswered)
        return (
            f"{self.requests:,} requests, the domain answered {self.domain / answered:.0%};"
            f" {self.fallbacks:,} fallbacks, {self.errors:,} errors, {self.unanswered:,} unanswered"
        )


@dataclass
class Traffic:
    """Sends `requests` from `clients` threads, `rate` per second if the instance is fast enough."""

    client: Client
    requests: Iterator[DemoRequest]
    rate: float
    clients: int
    tally: TrafficCount = field(default_factory=TrafficCount)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _due: float = 0.0

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Send requests during the block."""
        threads = [threading.Thread(target=self._work) for _ in range(self.clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _work(self) -> None:
        while True:
            with self._lock:
                request, due = next(self.requests), max(self._due, time.monotonic() - CATCH_UP)
                self._due = due + 1 / self.rate
            if self._stop.wait(due - time.monotonic()):
                return
            reply = self._send(request)
            with self._lock:
                self.tally.add(reply)

    def _send(self, request: DemoRequest) -> Reply | None:
        try:
            return self.client.get(request.path, {STICKY: request.client} if request.client else {})
        except UnreachableError:
            return None
