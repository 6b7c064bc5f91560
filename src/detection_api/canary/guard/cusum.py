"""Sequential tests, valid however often they are read and whenever the fault begins; pure.

Each is a CUSUM (Page, Biometrika 1954): its points rise with a bad request and fall with any other,
but never below 0. It fires when they reach a cap.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar


class _Test(ABC):
    """Points from 0 to `cap`. The test goes on at the cap, and off at 0.

    Requests may come in batches. Up to the first alarm the points of a batch never exceed those of
    the same requests one by one, in any order: a batch fires only if every order does.
    """

    counts: ClassVar[tuple[str, ...]]
    """The counts in a batch, bad and good in turn; only the first one raises the points."""

    def __init__(self, cap: float, points: float = 0) -> None:
        self._cap = cap
        self.points = points
        self.on = False

    @abstractmethod
    def moves(self, batch: Sequence[float]) -> tuple[float, float]:
        """Return by how much a batch raises the points, and by how much it lowers them."""

    def after(self, batch: Sequence[float]) -> tuple[float, bool]:
        """Return the points after a batch, and whether the batch reaches the cap."""
        rise, fall = self.moves(batch)
        points = self.points + rise - fall
        return min(self._cap, max(0, points)), points >= self._cap

    def take(self, batch: Sequence[float]) -> bool:
        """Add a batch; return whether the test fires."""
        self.points, reached = self.after(batch)
        fires = reached and not self.on
        self.on = reached or (self.on and self.points > 0)
        return fires


class Cusum(_Test):
    """Tests whether more than one request in `up` + 1 is bad; `k` bad ones in a row fire.

    The Bernoulli CUSUM (Reynolds & Stoumbos, Journal of Quality Technology 1999), in integers.
    """

    counts = ("bad", "good")

    def __init__(self, up: int, k: int, points: float = 0) -> None:
        super().__init__(up * k, points)
        self._up = up

    def moves(self, batch: Sequence[float]) -> tuple[float, float]:
        """See _Test; a batch is (bad, good)."""
        bad, good = batch
        return self._up * bad, good

    def add(self, bad: int, good: int) -> bool:
        """Add requests; return whether the test fires."""
        return self.take((bad, good))


class Wealth(_Test):
    """Tests whether the domain is bad more often than legacy, by more than `margin` (0..1).

    The points are the logarithm (nats) of a gambler's wealth who bets that the next bad request
    is the domain's, at odds that are fair while the arms are equal; the bet is the best one where
    the domain is bad `ratio` times as often. While they are equal, what is bet from a given
    moment on makes exp(limit) of 1 with a probability of at most exp(-limit) (Ville's
    inequality); so false alarms are on average at least exp(limit) requests apart (e-detectors:
    Shin, Ramdas & Rinaldo, NEJSDS 51; for counts: Lindon & Malek, arXiv 2011.03567).
    """

    counts = ("domain_bad", "domain_good", "legacy_bad", "legacy_good")
    _GRID = 2**32
    """Moves are multiples of 1/_GRID, rounded down, so that their sums are exact in any order
    and evidence replays to the last bit."""

    def __init__(self, ratio: float, margin: float, limit: float, points: float = 0) -> None:
        super().__init__(limit, points)
        self._edge = ratio - 1
        self._margin = margin
        self._bet(0)

    def moves(self, batch: Sequence[float]) -> tuple[float, float]:
        """See _Test; a batch is the four counts and the domain's share of the requests."""
        domain_bad, domain_good, legacy_bad, legacy_good, share = batch
        if share != self._share:
            self._bet(share)
        idle = (domain_good + legacy_good) * self._idle
        return domain_bad * self._win, idle + legacy_bad * self._loss

    def add(
        self, domain_bad: int, domain_good: int, legacy_bad: int, legacy_good: int, share: float
    ) -> bool:
        """Add requests; return whether the test fires.

        `share` (0..1) is the domain's share of all requests. At 0 and 1 nothing changes, because
        there is no other arm to compare with.
        """
        return self.take((domain_bad, domain_good, legacy_bad, legacy_good, share))

    def _bet(self, share: float) -> None:
        """Set the gain of a domain's bad request and the cost of each other one, in nats."""
        self._share = share
        self._win = self._loss = self._idle = 0.0
        if 0 < share < 1:
            bet = self._edge * share * (1 - share) / (1 + self._edge * share)
            self._win = self._log(bet * (1 / share - self._margin))
            self._loss = -self._log(bet * (-1 / (1 - share) - self._margin))
            self._idle = -self._log(bet * -self._margin)

    def _log(self, gain: float) -> float:
        return math.floor(math.log1p(gain) * self._GRID) / self._GRID
