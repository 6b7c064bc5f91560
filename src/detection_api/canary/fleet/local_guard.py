"""One worker's own guard: it counts and judges each request, and rolls a failing endpoint back.

Read `LocalGuard.account` first.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping

import structlog

from detection_api.canary.fleet.accounting import (
    FailedClients,
    Ordinary,
    count,
    count_judged,
    count_ordinary,
    judged,
    ordinary,
)
from detection_api.canary.fleet.applied_states import AppliedStates
from detection_api.canary.fleet.fleet_guard import RollBack, Share
from detection_api.canary.fleet.reasons import reason_of
from detection_api.canary.guard import Alarm, Guard, Verdict
from detection_api.canary.serving import CanaryRequest, Result
from detection_api.canary.state import Arm, Ledger

log = structlog.get_logger(__name__)

MAX_WAITING = 64
"""Ordinary requests that wait to be counted together, within some tenths of a millisecond."""
_JUDGED = ("equal", "accepted", "mismatch")
"""Outcomes of a comparison that count for or against the domain."""


class LocalGuard:
    """Counts requests in the ledger and judges them; `clock` is monotonic, in seconds."""

    def __init__(
        self,
        states: AppliedStates,
        ledger: Ledger,
        *,
        roll_back: RollBack,
        share: Share,
        clock: Callable[[], float],
    ) -> None:
        self._states = states
        self._ledger = ledger
        self._roll_back = roll_back
        self._share = share
        self._failed_clients = FailedClients(clock)
        self.begin()

    def begin(self) -> None:
        """Forget, in a forked worker, what its parent has gathered."""
        self._guards: dict[str, Guard] = {}
        self._waiting: deque[Ordinary] = deque()
        self._settling = threading.RLock()

    @property
    def guards(self) -> Mapping[str, Guard]:
        """The guard of each endpoint."""
        return self._guards

    def account(self, endpoint: str, ask: CanaryRequest, served: Result, status: int) -> None:
        """Count a request that was answered with `status`, and judge it.

        An ordinary request waits, because counting many together costs less. It waits until there
        are MAX_WAITING, until a request is not ordinary, or until the background thread's turn.
        """
        if request := ordinary(endpoint, ask, served, status):
            self._waiting.append(request)
            if len(self._waiting) >= MAX_WAITING:
                self.settle()
        else:
            self.settle()
            self._account(endpoint, ask, served, status)

    def judge_comparison(self, endpoint: str, outcome: str, request_id: str) -> None:
        """Judge a comparison, which is counted already, by its outcome.

        Noise says nothing, nor does a comparison that was inconclusive.
        """
        if outcome in _JUDGED:
            with self._settling:
                alarms = self._guard(endpoint).comparison(outcome == "mismatch", request_id)
            self._act(endpoint, alarms)

    def judge_death(self, endpoint: str) -> None:
        """Judge the death of a process during a call of the domain, which is counted already."""
        share = self._share(self._states.state(endpoint))
        self.settle()
        self._act(endpoint, self._guard(endpoint).domain(True, 0.0, share, ""))

    def settle(self) -> None:
        """Count and judge the ordinary requests that wait.

        Other threads wait until that is done, so that requests are judged in their order.
        """
        with self._settling:
            taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if taken:
                with self._ledger as batch:
                    for request in taken:
                        count_ordinary(batch, request)
            for request in taken:
                judge = self._judge(request.endpoint, request.arm)
                if alarms := judge(False, request.seconds, request.share, request.request_id):
                    self._act(request.endpoint, alarms)

    def forget(self, endpoint: str) -> None:
        """Drop the evidence against an endpoint that was resumed, sent to the store or not."""
        with self._settling:
            self.settle()
            self._guards.pop(endpoint, None)
            self._ledger.forget_judged(endpoint)

    def _account(self, endpoint: str, ask: CanaryRequest, served: Result, status: int) -> None:
        verdict = judged(served)
        if verdict and verdict[1] and not self._failed_clients.counts(endpoint, ask):
            verdict = None
        seconds = served.observations[0].seconds
        with self._ledger as batch:
            tally = count(batch, endpoint, served, status)
            if verdict:
                count_judged(tally, bad=verdict[1], seconds=seconds, request_id=ask.request_id)
        if verdict:
            arm, bad = verdict
            judge = self._judge(endpoint, arm)
            self._act(endpoint, judge(bad, seconds, served.decision.share, ask.request_id))

    def _judge(self, endpoint: str, arm: Arm) -> Callable[..., tuple[Alarm, ...]]:
        """Return the function that judges the requests of an endpoint's arm."""
        guard = self._guard(endpoint)
        return guard.domain if arm is Arm.DOMAIN else guard.legacy

    def _guard(self, endpoint: str) -> Guard:
        return self._guards.get(endpoint) or self._guards.setdefault(endpoint, Guard())

    def _act(self, endpoint: str, alarms: Iterable[Alarm]) -> None:
        for alarm in alarms:
            reason, evidence = reason_of(alarm), alarm.evidence
            if alarm.signal.verdict is Verdict.ROLLBACK:
                worker = self._states.worker
                self._roll_back(endpoint, reason=reason, by=worker, evidence=evidence)
            else:
                last = evidence["last_request_id"]
                log.warning("guard_alarm", endpoint=endpoint, reason=reason, request_id=last)
