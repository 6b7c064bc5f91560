"""Things that answer the same, asked in turns."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Protocol, TypeVar

from benchmarks.load import CONNECTIONS, Load, LoadError
from benchmarks.stage import Server

LONGEST_TURN = 16
"""Seconds."""
Name = TypeVar("Name", bound=Hashable)


class Asked(Protocol):
    """Something that can be kept busy with one endpoint."""

    def ask(self, endpoint: str, seconds: int) -> Load:
        """One turn of so many seconds; raises LoadError."""


class UnlikeError(Exception):
    """Two subjects do not answer the same, so that comparing their speed would mean nothing."""


def require_alike(found: Sequence[Server]) -> None:
    """Raise UnlikeError unless all servers answer every endpoint with the same JSON."""
    first, *others = found
    for endpoint in first.paths:
        expected = first.bodies(endpoint)
        for other in others:
            if other.bodies(endpoint) != expected:
                raise UnlikeError(
                    f"{other.subject.name} answers {endpoint} unlike {first.subject.name}"
                )


def take_turns(
    asked: Mapping[Name, Asked], endpoint: str, turns: int, seconds: int
) -> dict[Name, list[Load]]:
    """Warm everything up, then ask everything in turns; what each turn measured."""
    lengths = {name: _warm_up(one, endpoint, seconds) for name, one in asked.items()}
    loads: dict[Name, list[Load]] = {name: [] for name in asked}
    order = [*asked.items()]
    for _ in range(turns):
        for name, one in order:
            loads[name].append(one.ask(endpoint, lengths[name]))
        order.append(order.pop(0))  # nobody goes first always
    return loads


def _warm_up(one: Asked, endpoint: str, seconds: int) -> int:
    """How many seconds a turn needs: `seconds`, or more where hardly anything is answered in it."""
    while one.ask(endpoint, seconds).requests_per_s * seconds < CONNECTIONS:
        seconds *= 2
        if seconds > LONGEST_TURN:
            raise LoadError(f"{endpoint} is hardly answered in {LONGEST_TURN} s")
    return seconds
