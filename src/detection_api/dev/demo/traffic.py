"""Has the demo's clients ask an instance over HTTP, and counts what they are answered."""

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
"""Seconds of requests that are made up for at the most, where the instance was slow."""


@dataclass
class TrafficCount:
    """What became of requests: the domain's, fallbacks, servers' errors, and no answers at all."""

    requests: int = 0
    domain: int = 0
    fallbacks: int = 0
    errors: int = 0
    unanswered: int = 0

    def add(self, reply: Reply | None) -> None:
        """Count an answer; None is none."""
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
    """Clients that ask for all of `asks`, `rate` of them a second where the instance is so quick.

    No more than `clients` at a time.
    """

    client: Client
    asks: Iterator[DemoRequest]
    rate: float
    clients: int
    tally: TrafficCount = field(default_factory=TrafficCount)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _due: float = 0.0

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """With the clients at work."""
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
                ask, due = next(self.asks), max(self._due, time.monotonic() - CATCH_UP)
                self._due = due + 1 / self.rate
            if self._stop.wait(due - time.monotonic()):
                return
            reply = self._answer(ask)
            with self._lock:
                self.tally.add(reply)

    def _answer(self, ask: DemoRequest) -> Reply | None:
        try:
            return self.client.get(ask.path, {STICKY: ask.client} if ask.client else {})
        except UnreachableError:
            return None
