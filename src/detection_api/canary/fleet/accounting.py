"""Counts requests, and selects those that the guard judges."""

import time
from collections.abc import Callable

import msgspec

from detection_api.canary.guard import SLOW_SECONDS
from detection_api.canary.serving import NOBODY, CanaryRequest, FailureCause, Reason, Result
from detection_api.canary.state import Arm, LedgerBatch, Tally, observe

ONE_FAILURE_PER = 10.0
"""Seconds in which only one failure of a client counts."""
MAX_CLIENTS = 10_000
"""Failed clients that are remembered. At this number the outdated ones are forgotten."""

_UNJUDGED = (Reason.FORCED, Reason.FINISHED)
_CLIENT_ERROR, _SERVER_ERROR = 400, 500


def judged(served: Result) -> tuple[Arm, bool] | None:
    """Return the arm that was decided on and whether it failed; None if the request is no evidence.

    A forced request is no evidence, nor is one that both arms failed. A write that could not fall
    back is a failure of the domain.
    """
    first = served.observations[0]
    both_failed = served.arm is None and len(served.observations) > 1
    if served.decision.reason in _UNJUDGED or both_failed:
        return None
    return first.arm, first.cause is not None


class FailedClients:
    """Remembers whose failure was counted, so that one client's retries are one failure."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counted_at: dict[tuple[str, str], float] = {}

    def counts(self, endpoint: str, ask: CanaryRequest) -> bool:
        """Return whether a client's failure is its first in ONE_FAILURE_PER seconds."""
        if not ask.named:
            return True
        now = self._clock()
        if now - self._counted_at.get((endpoint, ask.subject), -ONE_FAILURE_PER) < ONE_FAILURE_PER:
            return False
        if len(self._counted_at) >= MAX_CLIENTS:
            self._forget(now)
        self._counted_at[endpoint, ask.subject] = now
        return True

    def _forget(self, now: float) -> None:
        recent = {c: at for c, at in list(self._counted_at.items()) if now - at < ONE_FAILURE_PER}
        self._counted_at = recent if len(recent) < MAX_CLIENTS else {}


class Ordinary(msgspec.Struct, frozen=True, gc=False):
    """A request that its arm answered quickly and without an error."""

    endpoint: str
    arm: Arm
    reason: Reason
    seconds: float
    share: float
    hundreds: int
    request_id: str


def ordinary(endpoint: str, ask: CanaryRequest, served: Result, status: int) -> Ordinary | None:
    """Return what is counted of an ordinary request; None if it is not ordinary."""
    observation, decision = served.observations[0], served.decision
    if (
        served.reason is not decision.reason
        or status >= _CLIENT_ERROR
        or observation.seconds > SLOW_SECONDS
        or decision.reason in _UNJUDGED
        or observation.failure is not None
    ):
        return None
    return Ordinary(
        endpoint,
        decision.arm,
        decision.reason,
        observation.seconds,
        decision.share,
        status // 100,
        ask.request_id,
    )


def count_ordinary(batch: LedgerBatch, request: Ordinary) -> None:
    """Add an ordinary request, which is good for the guard."""
    tally = batch.tally(request.endpoint, request.arm)
    tally.requests += 1
    tally.good += 1
    reply = (request.endpoint, request.arm, request.reason, request.hundreds)
    batch.replies[reply] = batch.replies.get(reply, 0) + 1
    observe(tally.latency, request.seconds)


def count(batch: LedgerBatch, endpoint: str, served: Result, status: int) -> Tally:
    """Add a request that was answered with `status` to the counts of the arms that it ran on.

    Returns the counts of the arm that was decided on.
    """
    decided = served.decision.arm
    tally = batch.tally(endpoint, decided)
    tally.requests += 1
    reply = (endpoint, served.arm or NOBODY, served.reason, status // 100)
    batch.replies[reply] = batch.replies.get(reply, 0) + 1
    if status >= _SERVER_ERROR:
        tally.server_errors += 1
    elif status >= _CLIENT_ERROR:
        tally.client_errors += 1
    if served.arm is None:
        tally.outages += 1
    elif served.reason is Reason.FALLBACK:
        batch.tally(endpoint, Arm.LEGACY).fallbacks += 1
    if forced := served.decision.reason is Reason.FORCED:
        tally.forced += 1
    for observation in served.observations:
        ran = tally if observation.arm is decided else batch.tally(endpoint, observation.arm)
        if observation.failure:
            _count_failure(ran, observation.failure)
        if not forced:
            observe(ran.latency, observation.seconds)
    return tally


def count_judged(tally: Tally, *, bad: bool, seconds: float, request_id: str) -> None:
    """Add a request that the guard judges."""
    if seconds > SLOW_SECONDS:
        tally.slow += 1
    if bad:
        tally.bad += 1
        tally.first_failed = tally.first_failed or request_id
        tally.last_failed = request_id
    else:
        tally.good += 1


def count_death(batch: LedgerBatch, endpoint: str) -> None:
    """Add a process that died during a call of the domain."""
    tally = batch.tally(endpoint, Arm.DOMAIN)
    tally.deaths += 1
    tally.bad += 1


def _count_failure(tally: Tally, cause: FailureCause) -> None:
    if cause is FailureCause.ERROR:
        tally.errors += 1
    elif cause is FailureCause.TIMEOUT:
        tally.timeouts += 1
    else:
        tally.violations += 1
