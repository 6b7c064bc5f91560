"""Decide from the positions of a replica and its primary whether the replica may be read; pure."""

import math
from collections import deque
from dataclasses import dataclass
from enum import Enum

MAX_SEEN = 1000
"""Maximum number of positions of the primary that are kept."""


class Unfit(Enum):
    """Why a replica must not be read."""

    UNKNOWN = "unknown"
    """It was not checked recently."""
    AWAY = "away"
    """It did not answer the check."""
    FAILED = "failed"
    """A read failed on it a moment ago."""
    LAGGING = "lagging"
    """It is further behind the primary than it may be."""
    DIVERGED = "diverged"
    """It was promoted, so it no longer receives the changes of the primary."""


@dataclass(frozen=True, slots=True)
class WalPosition:
    """The position of a server in the write-ahead log: how much it has written or replayed.

    `server` names it for as long as it runs; `wal` is in bytes since the cluster was created.
    """

    server: str
    in_recovery: bool
    wal: int


class ReplayProgress:
    """The recent positions of the primary, with monotonic times in seconds.

    The lag needs no clock of the servers. It is measured against the last known position of the
    primary, so an idle primary causes no lag.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque(maxlen=MAX_SEEN)
        self._server = ""

    def record(self, primary: WalPosition, now: float) -> None:
        """Keep the position of the primary; forget the positions of an earlier primary."""
        if primary.server != self._server:
            self._seen.clear()
            self._server = primary.server
        self._seen.append((now, primary.wal))

    def lag(self, wal: int, now: float) -> float:
        """Return how many seconds, at most, a replica that has replayed `wal` is behind.

        Returns infinity if `wal` is before every kept position of the primary.
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
    """Return why a replica must not be read, or None; a position is None if its server is away.

    While the primary is away, the replica may be read, even if it was promoted.
    """
    if replica is None:
        return Unfit.AWAY
    if replica.in_recovery:
        return Unfit.LAGGING if lag > limit else None
    is_the_primary = primary is None or primary.server == replica.server
    return None if is_the_primary else Unfit.DIVERGED
