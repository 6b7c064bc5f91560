"""Serves a request: decides, runs an arm, falls back. Read `Engine.serve` first."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from detection_api.canary.contract import Answer, Contract, Rule
from detection_api.canary.serving.calls import Calls
from detection_api.canary.serving.decision import Decision, Reason, decide
from detection_api.canary.serving.observation import (
    DeadlinePool,
    FailureCause,
    Observation,
    cause_of,
)
from detection_api.canary.serving.settings import CanarySettings
from detection_api.canary.serving.signals import is_from_signal
from detection_api.canary.state import Arm, RolledBackError, RolloutState

Implementation = Callable[..., Any]
RouteHeaders = Callable[[Any], Mapping[str, str]]
"""Returns headers for a response from the value of its body; URIs are allowed. The canary's own
headers (type, length, tag, caching, who answered) must not be among them."""
NOBODY = "none"
"""The name of the arm if no arm answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An endpoint's two implementations and the contract that both answer with.

    `legacy` is None once the migration is finished. After `deadline` seconds the
    request no longer waits for the domain, for services that wait on more than PostgreSQL. A route
    that `writes` runs one arm only, unless the domain raises RolledBackError. `headers` are sent
    with an answer of either arm.
    """

    domain: Implementation
    legacy: Implementation | None
    contract: Contract
    rule: Rule
    deadline: float | None = None
    writes: bool = False
    headers: RouteHeaders | None = None

    def may_fall_back(self, failure: Observation) -> bool:
        """Return whether legacy may run after `failure` of the domain."""
        if self.legacy is None:
            return False
        return not self.writes or isinstance(failure.error, RolledBackError)


class CanaryRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The subject of a request, and the arm that it forces if that is granted.

    A `named` subject is a client; otherwise the subject is the request's own id.
    """

    subject: str
    named: bool
    forced: Arm | None
    request_id: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The arm that answers a request (None in an outage), the reason, and every run of an arm."""

    decision: Decision
    arm: Arm | None
    reason: Reason
    observations: tuple[Observation, ...]
    cause: FailureCause | None = None
    """The cause why the decided arm failed, in a fallback or an outage."""

    @property
    def result(self) -> Observation:
        """The observation that the response is made from."""
        return self.observations[-1]


class Engine:
    """Serves routes by the environment's settings; `answers` are exceptions that are answers.

    `calls` records the calls of the domain. `clock` measures durations, in seconds.
    """

    def __init__(
        self,
        overrides: CanarySettings,
        answers: tuple[type[Exception], ...],
        pool: DeadlinePool,
        *,
        calls: Calls | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._overrides = overrides
        self._answers = answers
        self._pool = pool
        self._calls = calls or Calls((), None)
        self._clock = clock

    def serve(
        self, route: Route, state: RolloutState, ask: CanaryRequest, arguments: Mapping[str, Any]
    ) -> Result:
        """Decide on an arm, run it and check its answer; run legacy if the domain fails."""
        if route.legacy is None:
            decision = Decision(Arm.DOMAIN, Reason.FINISHED)
        else:
            decision = decide(self._overrides, state, subject=ask.subject, forced=ask.forced)
        first = self.run(decision.arm, route, arguments, state.endpoint)
        if first.cause is None:
            return Result(
                decision=decision, arm=first.arm, reason=decision.reason, observations=(first,)
            )
        if first.arm is Arm.LEGACY or not route.may_fall_back(first):
            return _outage(decision, first)
        second = self.run(Arm.LEGACY, route, arguments, state.endpoint)
        if second.cause is not None:
            return _outage(decision, first, second)
        return Result(
            decision=decision,
            arm=Arm.LEGACY,
            reason=Reason.FALLBACK,
            observations=(first, second),
            cause=first.cause,
        )

    def run(
        self, arm: Arm, route: Route, arguments: Mapping[str, Any], endpoint: str
    ) -> Observation:
        """Run one arm; return its answer or error, and the seconds that it took.

        Raises nothing but the exception of a signal handler, which ends the process.
        """
        started = self._clock()
        try:
            if arm is Arm.LEGACY:
                assert route.legacy is not None
                answer = route.contract.encode_reference(route.legacy(**arguments))
            elif route.deadline is None:
                answer = self._call(endpoint, route, arguments)
            else:
                call = partial(self._call, endpoint, route, arguments)
                answer = self._pool.call(call, route.deadline)
        except self._answers as error:
            return Observation(arm=arm, seconds=self._clock() - started, error=error)
        except BaseException as error:  # all that an implementation raises is a result
            if is_from_signal(error):
                raise
            seconds, cause = self._clock() - started, cause_of(error)
            return Observation(arm=arm, seconds=seconds, error=error, cause=cause, failure=cause)
        seconds = self._clock() - started
        failure = None if answer.violation is None else FailureCause.CONTRACT
        return Observation(arm=arm, seconds=seconds, answer=answer, failure=failure)

    def _call(self, endpoint: str, route: Route, arguments: Mapping[str, Any]) -> Answer:
        """Call the domain and encode its answer, while the call is on record."""
        slot = self._calls.enter(endpoint)
        try:
            value = route.domain(**arguments)
            return Answer(value, route.contract.encode(value))
        finally:
            self._calls.leave(slot)


def _outage(decision: Decision, *observations: Observation) -> Result:
    return Result(
        decision=decision,
        arm=None,
        reason=Reason.OUTAGE,
        observations=observations,
        cause=observations[0].cause,
    )
