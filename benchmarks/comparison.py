"""Everything that answers the seven endpoints, asked in turns and compared with the canary."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks import results
from benchmarks.load import CONNECTIONS, Load, LoadError
from benchmarks.results import Result
from benchmarks.stage import Server

LONGEST_TURN = 16
"""Seconds."""


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


@dataclass(frozen=True, slots=True)
class Turns:
    """All turns on one endpoint, by what was asked."""

    endpoint: str
    loads: Mapping[tuple[str, str], Sequence[Load]]

    def results(self, rows: int) -> Iterator[Result]:
        """Medians of each."""
        for (part, server), loads in self.loads.items():
            yield Result.of(part, server, self.endpoint, rows, loads)

    def ratio(self, ours: tuple[str, str], other: tuple[str, str]) -> float:
        """Requests a second of ours divided by the other's."""
        mine, theirs = (
            [turn.requests_per_s for turn in self.loads[name]] for name in (ours, other)
        )
        return results.ratio(mine, theirs)


def take_turns(
    asked: Mapping[tuple[str, str], Asked], endpoint: str, turns: int, seconds: int
) -> Turns:
    """Warm everything up, then ask everything in turns."""
    lengths = {name: _warm_up(one, endpoint, seconds) for name, one in asked.items()}
    loads: dict[tuple[str, str], list[Load]] = {name: [] for name in asked}
    for _ in range(turns):
        for name, one in asked.items():
            loads[name].append(one.ask(endpoint, lengths[name]))
    return Turns(endpoint, loads)


def _warm_up(one: Asked, endpoint: str, seconds: int) -> int:
    """How many seconds a turn needs: `seconds`, or more where hardly anything is answered in it."""
    while one.ask(endpoint, seconds).requests_per_s * seconds < CONNECTIONS:
        seconds *= 2
        if seconds > LONGEST_TURN:
            raise LoadError(f"{endpoint} is hardly answered in {LONGEST_TURN} s")
    return seconds
