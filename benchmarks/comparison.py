"""Measure several targets with the same answers, in turns."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Protocol, TypeVar

from benchmarks.load import CONNECTIONS, Load, LoadError
from benchmarks.stage import Server

LONGEST_TURN = 16
"""Seconds."""
Name = TypeVar("Name", bound=Hashable)


class Target(Protocol):
    """A target that can be measured on one endpoint."""

    def measure(self, endpoint: str, seconds: int) -> Load:
        """Measure one turn of `seconds`; raises LoadError."""


class UnlikeError(Exception):
    """Two subjects have different answers, so their speed cannot be compared."""


def require_alike(servers: Sequence[Server]) -> None:
    """Raise UnlikeError unless all servers answer every endpoint with the same JSON."""
    first, *others = servers
    for endpoint in first.paths:
        expected = first.bodies(endpoint)
        for other in others:
            if other.bodies(endpoint) != expected:
                raise UnlikeError(
                    f"{other.subject.name} answers {endpoint} unlike {first.subject.name}"
                )


def take_turns(
    targets: Mapping[Name, Target], endpoint: str, turns: int, seconds: int
) -> dict[Name, list[Load]]:
    """Warm up all targets, then measure them in turns; return the load of each turn."""
    lengths = {name: _warm_up(target, endpoint, seconds) for name, target in targets.items()}
    loads: dict[Name, list[Load]] = {name: [] for name in targets}
    order = [*targets.items()]
    for _ in range(turns):
        for name, target in order:
            loads[name].append(target.measure(endpoint, lengths[name]))
        order.append(order.pop(0))  # each target is first in some turns
    return loads


def _warm_up(target: Target, endpoint: str, seconds: int) -> int:
    """Return the length of a turn: `seconds`, doubled until every client gets an answer."""
    while target.measure(endpoint, seconds).requests_per_s * seconds < CONNECTIONS:
        seconds *= 2
        if seconds > LONGEST_TURN:
            raise LoadError(f"{endpoint} has too few answers in {LONGEST_TURN} s")
    return seconds
