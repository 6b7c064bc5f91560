"""Whether a replica may answer, from where it and its primary were seen to be; pure."""

import math
from collections import deque
from dataclasses import dataclass
from enum import Enum

MAX_SEEN = 1000
"""Places of the primary that are remembered for a replica that stays behind."""


class Unfit(Enum):
    """Why a replica does not answer."""

    UNKNOWN = "unknown"
    """Nobody has looked at it, or not lately."""
    AWAY = "away"
    """It did not answer when it was looked at."""
    FAILED = "failed"
    """A read failed on it a moment ago."""
    LAGGING = "lagging"
    """It is further behind the primary than it may be."""
    DIVERGED = "diverged"
    """It was promoted, but there is another primary, whose changes it does not get any more."""


@dataclass(frozen=True, slots=True)
class WalPosition:
    """Where a server is: its name for as long as it runs, and what it has written or replayed.

    `wal` is in bytes since the cluster began.
    """

    server: str
    in_recovery: bool
    wal: int


class ReplayProgress:
    """When the primary was where; times are monotonic, in seconds.

    So the lag needs no clock of the servers, and an idle primary makes none. It is measured against
    what was last seen of the primary: who cannot see it has nothing newer to go by.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque(maxlen=MAX_SEEN)
        self._server = ""

    def see(self, primary: WalPosition, now: float) -> None:
        """Remember where the primary is; another server's places are not compared with its own."""
        if primary.server != self._server:
            self._seen.clear()
            self._server = primary.server
        self._seen.append((now, primary.wal))

    def lag(self, wal: int, now: float) -> float:
        """How many seconds a replica that has replayed `wal` is behind, at the most.

        Infinite where the primary was further than that as long as anybody remembers.
        """
        seen = self._seen
        while len(seen) > 1 and seen[1][1] <= wal:
            seen.popleft()
        if not seen:
            return 0.0
        at, reached = seen[0]
        if reached > wal:
            return math.inf
        return now - at if len(seen) > 1 else 0.0


def judge(
    replica: WalPosition | None, primary: WalPosition | None, *, lag: float, limit: float
) -> Unfit | None:
    """Why a replica must not answer, if so; a place is None where a server did not say.

    While the primary is away a replica may answer, promoted or not: there is nothing newer.
    """
    if replica is None:
        return Unfit.AWAY
    if replica.in_recovery:
        return Unfit.LAGGING if lag > limit else None
    is_the_primary = primary is None or primary.server == replica.server
    return None if is_the_primary else Unfit.DIVERGED
