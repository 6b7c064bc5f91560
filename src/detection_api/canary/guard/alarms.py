"""The signals of the guard, and the evidence of those that fire; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from operator import add
from typing import Any

from detection_api.canary.guard.cusum import Cusum, Wealth

MAX_BATCHES = 500
"""Batches in the evidence. The points that it starts from contain the older ones."""
MAX_IDS = 20
"""Request ids in the evidence: those of the first bad requests, and of the last one."""


class Verdict(Enum):
    """The action that a signal demands; the least severe first."""

    OK = "ok"
    """Nothing."""
    WARN = "warn"
    """Tell the operators."""
    HOLD = "hold"
    """Do not raise the percent."""
    ROLLBACK = "rollback"
    """Send everything to legacy until an operator resumes."""


class Signal(Enum):
    """A fault of the domain. Each has a test; the signal is on while the test is."""

    FAILING = "failing"
    """Clearly more than 5% of some recent stretch of requests failed; 7 in a row are enough."""
    ERRING = "erring"
    """More than 2% of some recent stretch failed. It warns of an error rate over 1%."""
    SLOW = "slow"
    """More than 7.1% of some recent stretch took over SLOW_SECONDS; so the P95 is over it."""
    WORSE = "worse"
    """It fails more often than legacy, by more than 0.5 percentage points."""
    SLOWER = "slower"
    """Its P95 is over LATE_RATIO times legacy's."""
    DIFFERING = "differing"
    """Clearly more than 5% of the answers compared recently are wrong; 7 in a row are enough."""

    @property
    def verdict(self) -> Verdict:
        """The action while it is on."""
        return VERDICTS[self]


VERDICTS: Mapping[Signal, Verdict] = {
    Signal.FAILING: Verdict.ROLLBACK,
    Signal.ERRING: Verdict.WARN,
    Signal.SLOW: Verdict.WARN,
    Signal.WORSE: Verdict.HOLD,
    Signal.SLOWER: Verdict.HOLD,
    Signal.DIFFERING: Verdict.ROLLBACK,
}
PARAMETERS: Mapping[Signal, Mapping[str, Any]] = {
    Signal.FAILING: {"up": 19, "k": 7},
    Signal.ERRING: {"up": 49, "k": 5},
    Signal.SLOW: {"up": 13, "k": 10},
    Signal.WORSE: {"ratio": 3, "margin": 0.005, "limit": 12},
    Signal.SLOWER: {"ratio": 3, "margin": 0.01, "limit": 12},
    Signal.DIFFERING: {"up": 19, "k": 7},
}
"""The arguments of each signal's test: a `Cusum`, or a `Wealth` where it compares with legacy."""


def _make(parameters: Mapping[str, Any], points: float = 0) -> Cusum | Wealth:
    """Return the test with these parameters."""
    kind = Cusum if "up" in parameters else Wealth
    return kind(**parameters, points=points)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A signal went on. `evidence` has only types of JSON; `replay` checks it."""

    signal: Signal
    evidence: Mapping[str, Any]


def replay(evidence: Mapping[str, Any]) -> bool:
    """Return whether the evidence's batches make its test fire, at their end only.

    Raises KeyError, TypeError or ValueError if it is not the evidence of an alarm.
    """
    test = _make(evidence["parameters"], evidence["start"])
    *before, last = (test.take(batch) for batch in evidence["batches"])
    return last and not any(before) and test.points == evidence["points"]


class Watch:
    """A signal's test, and the batches since its points were last 0.

    Requests gather in a batch. The test takes the batch when a bad request follows good ones, or
    when it would fire. So most requests cost one addition.
    """

    def __init__(self, signal: Signal) -> None:
        self._signal = signal
        self._test = _make(PARAMETERS[signal])
        self._width = len(self._test.counts)
        self._share = 0.0 if isinstance(self._test, Wealth) else None
        self._ones = [[int(i == j) for i in range(self._width)] for j in range(self._width)]
        self._latched = False
        self._open()
        self._forget()

    def is_on(self) -> bool:
        """Return whether the signal is on; a rollback stays on."""
        if self._test.on:
            self._close()
        return self._test.on or self._latched

    def points(self) -> float:
        """Return the test's points."""
        return self._test.after(self._batch)[0]

    def one(self, index: int, request_id: str, share: float | None = None) -> Alarm | None:
        """Add one request to the count at `index`; see `many`."""
        if index % 2 == 0:
            return self.many(self._ones[index], (request_id,), share)
        if share != self._share:
            return self.many(self._ones[index], (), share)
        self._batch[index] += 1
        return None

    def many(
        self, counts: Sequence[int], ids: Sequence[str], share: float | None = None
    ) -> Alarm | None:
        """Add requests; return the alarm if the test fires.

        `ids` are the known ids of bad requests. `share` is for a `Wealth`.
        """
        if share is not None and not 0 < share < 1:
            return None
        if share != self._share or (counts[0] and any(self._batch[1 : self._width])):
            self._share = share
            self._close()
        batch = self._batch
        for index, count in enumerate(counts):
            batch[index] += count
        self._ids += ids
        del self._ids[MAX_IDS - 1 : -1]
        if counts[0] and self._test.after(batch)[1]:
            return self._close()
        return None

    def _open(self) -> None:
        share = [] if self._share is None else [self._share]
        self._batch: list[float] = [0] * self._width + share

    def _forget(self) -> None:
        self._start: float = 0
        self._folded: list[float] = [0] * self._width
        self._batches: list[list[float]] = []
        self._ids: list[str] = []

    def _close(self) -> Alarm | None:
        """Let the test take the batch; keep the batch while it may become evidence."""
        batch, test = self._batch, self._test
        self._open()
        if not any(batch[: self._width]):
            return None
        if not test.on:
            self._keep(batch)
        fires = test.take(batch)
        alarm = self._alarm() if fires else None
        if fires or not test.points:
            self._forget()
        return alarm

    def _keep(self, batch: list[float]) -> None:
        self._batches.append(batch)
        if len(self._batches) > MAX_BATCHES:
            oldest = self._batches.pop(0)
            self._start = _make(PARAMETERS[self._signal], self._start).after(oldest)[0]
            self._folded = list(map(add, self._folded, oldest))

    def _alarm(self) -> Alarm:
        self._latched = self._signal.verdict is Verdict.ROLLBACK
        totals = map(sum, zip(self._folded, *self._batches, strict=False))
        evidence = {
            "signal": self._signal.value,
            "verdict": self._signal.verdict.value,
            "parameters": dict(PARAMETERS[self._signal]),
            "start": self._start,
            "batches": self._batches,
            "totals": dict(zip(self._test.counts, totals, strict=True)),
            "points": self._test.points,
            "first_request_id": self._ids[0] if self._ids else None,
            "last_request_id": self._ids[-1] if self._ids else None,
            "request_ids": self._ids,
        }
        return Alarm(self._signal, evidence)
