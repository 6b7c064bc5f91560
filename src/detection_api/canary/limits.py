"""Let legacy say how far it could see, so that the domain is not judged by what lies beyond.

A legacy implementation calls `state` while it answers. The comparison that runs it collects the
limits; for a client's request nothing is collected.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Limit:
    """How far an answer of legacy reaches.

    `back_to` is the oldest moment that it covers, in epoch seconds. With None the whole answer may
    be incomplete.
    """

    name: str
    back_to: float | None = None


_collected: ContextVar[list[Limit] | None] = ContextVar("canary_limits", default=None)


def state(name: str, back_to: datetime | None = None) -> None:
    """State that the answer in progress comes from `name` only, such as "the newest 1,000 rows".

    Items older than `back_to` are then not compared; with None no difference is judged.
    """
    collected = _collected.get()
    if collected is not None:
        collected.append(Limit(name, back_to.timestamp() if back_to else None))


@contextmanager
def collecting() -> Iterator[list[Limit]]:
    """Collect the limits that are stated inside."""
    collected: list[Limit] = []
    token = _collected.set(collected)
    try:
        yield collected
    finally:
        _collected.reset(token)
