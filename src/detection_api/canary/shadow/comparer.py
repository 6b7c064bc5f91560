"""Compare answers in the background: read `Comparer.compare` first.

The answer that a client got is judged. What differs is judged by looks at legacy around it, and is
looked at once more when the data has settled; see `judge`.
"""

import copy
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from detection_api.canary import limits, metrics
from detection_api.canary.comparison import Difference, find_excuse, once
from detection_api.canary.contract import ResponseReturnedError
from detection_api.canary.limits import Limit
from detection_api.canary.serving import Engine, Observation
from detection_api.canary.shadow import noise
from detection_api.canary.shadow.history import Look, Question
from detection_api.canary.shadow.judge import Judge, Unclear, Wrong
from detection_api.canary.shadow.queue import Job
from detection_api.canary.state import (
    AcceptedDifference,
    Arm,
    Ledger,
    LedgerBatch,
    MismatchTally,
    RolloutState,
    Status,
    observe,
)

log = structlog.get_logger(__name__)

WATCH_AFTER = 60.0
"""Seconds after which legacy is asked a new question again, to learn how often it moves."""

_Judged = tuple[Wrong, AcceptedDifference | None]
"""A difference, and what excuses it."""


class States(Protocol):
    """What a comparison needs of the states that the worker applies."""

    accepted: tuple[AcceptedDifference, ...]

    def state(self, endpoint: str) -> RolloutState:
        """Return the state that this worker applies to `endpoint`."""


@dataclass(frozen=True, slots=True)
class _LegacyRun:
    """A run of legacy, when it ended, and the limits that it stated."""

    observation: Observation
    at: float
    limits: tuple[Limit, ...] = ()


class Comparer:
    """Compares answers, and counts the outcomes in the worker's ledger.

    With `store_values` samples show values, otherwise only their types and sizes. Differences that
    are not clear are looked at once more after `settle` seconds. `on_outcome` is called with the
    job and the outcome of each comparison: equal, mismatch, accepted, noise or inconclusive.
    """

    def __init__(
        self,
        engine: Engine,
        states: States,
        ledger: Ledger,
        *,
        store_values: bool,
        settle: float,
        on_outcome: Callable[[Job, str], None] = lambda _job, _outcome: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._states = states
        self._ledger = ledger
        self._sample = noise.sample if store_values else noise.redacted_sample
        self._settle = settle
        self._on_outcome = on_outcome
        self._clock = clock
        self._judge = Judge(settle)

    def compare(self, job: Job) -> Job | None:
        """Compare; return the job if it must be looked at again, when it is due."""
        if job.watched is not None:
            self._watch(job, job.watched)
            return None
        self._count_overdue(job)
        if job.first is None:
            return self._compare_first(job)
        self._compare_again(job, job.first)
        return None

    def _compare_first(self, job: Job) -> Job | None:
        """Compare the answer with a run of the other arm.

        A domain that fails, or breaks the structure, is a mismatch at once.
        """
        if job.answered.arm is Arm.DOMAIN:
            return self._judge_first(
                job, job.answered, self._run_legacy(job), at=self._sent_at(job)
            )
        if not _is_reference(job.answered):
            self._give_up(job)
            return None
        sent = _LegacyRun(job.answered, self._sent_at(job))
        domain = self._run(Arm.DOMAIN, job)
        found = noise.differences(job.route, job.answered, domain)
        if not found or domain.cause is not None:
            self._remember(job, sent)
            return self._settle_at_once(job, sent, found)
        ran_at = self._clock()
        after = self._run_legacy(job)
        waiting = self._judge_first(job, domain, after, at=ran_at)
        self._remember(job, sent)
        return waiting

    def _judge_first(
        self, job: Job, domain: Observation, legacy: _LegacyRun, *, at: float
    ) -> Job | None:
        """Judge an answer of the domain at `at`, with a look at legacy after it."""
        if not _is_reference(legacy.observation):
            self._give_up(job)
            return None
        found = noise.differences(job.route, legacy.observation, domain)
        if domain.cause is not None:
            return self._settle_at_once(job, legacy, found)
        far = noise.beyond(found, legacy.limits)
        near = tuple(d for d in found if d not in far)
        look, is_holdout = self._look(job, legacy), job.answered.arm is Arm.LEGACY
        sent = noise.outcome_of(job.route, job.answered) if is_holdout else None
        first = self._judge.first(_question(job), job.route.rule, near, look, at=at, sent=sent)
        self._judge.remember(_question(job), job.route.rule, look)
        structural = tuple(d for d in first.found if d.structural)
        if first.found and not structural:
            return replace(job, first=first, due=self._clock() + self._settle)
        otherwise = "inconclusive" if far else "noise" if found or is_holdout else "equal"
        self._conclude(job, legacy.observation, map(Wrong, structural), otherwise=otherwise)
        return self._to_watch(job, look, first)

    def _compare_again(self, job: Job, first: Unclear) -> None:
        """Look at both arms again; legacy runs last, so its looks enclose the domain's."""
        domain, legacy = self._run(Arm.DOMAIN, job), self._run_legacy(job)
        if not _is_reference(legacy.observation):
            self._give_up(job)
            return
        again = noise.differences(job.route, legacy.observation, domain)
        if domain.cause is not None:
            wrong = [Wrong(difference) for difference in again]
        else:
            look = self._look(job, legacy)
            far = noise.beyond(again, legacy.limits)
            near = [d for d in again if d not in far]
            wrong = self._judge.second(_question(job), job.route.rule, first, near, look)
        self._conclude(job, legacy.observation, wrong, otherwise="noise")

    def _settle_at_once(
        self, job: Job, legacy: _LegacyRun, found: Iterable[Difference]
    ) -> Job | None:
        """Conclude a comparison that needs no second look."""
        self._conclude(job, legacy.observation, map(Wrong, found), otherwise="equal")
        return None

    def _count_overdue(self, job: Job) -> None:
        """Count earlier answers that only now are known to be wrong; each as a comparison more."""
        wrong = self._judge.overdue(job.endpoint)
        if wrong:
            self._conclude(job, None, wrong, otherwise="noise")

    def _to_watch(self, job: Job, look: Look, first: Unclear) -> Job | None:
        """Return the job for a later look at a question that was not asked before."""
        if not first.is_new:
            return None
        return replace(job, watched=look, is_eager=False, due=self._clock() + WATCH_AFTER)

    def _watch(self, job: Job, before: Look) -> None:
        legacy = self._run_legacy(job)
        if _is_reference(legacy.observation):
            look = self._look(job, legacy)
            self._judge.pair(_question(job), job.route.rule, before, look)

    def _remember(self, job: Job, legacy: _LegacyRun) -> None:
        self._judge.remember(_question(job), job.route.rule, self._look(job, legacy))

    def _look(self, job: Job, legacy: _LegacyRun) -> Look:
        return Look.of(legacy.at, noise.outcome_of(job.route, legacy.observation))

    def _sent_at(self, job: Job) -> float:
        return self._clock() if job.sent_at is None else job.sent_at

    def _run_legacy(self, job: Job) -> _LegacyRun:
        with limits.collecting() as stated:
            observation = self._run(Arm.LEGACY, job)
        return _LegacyRun(observation, self._clock(), tuple(stated))

    def _run(self, arm: Arm, job: Job) -> Observation:
        """Run an arm with the request as the client sent it."""
        arguments = copy.deepcopy(job.arguments)
        with job.context():
            observation = self._engine.run(arm, job.route, arguments, job.endpoint)
        with self._ledger as batch:
            observe(batch.tally(job.endpoint, arm.value).shadow, observation.seconds)
        if observation.cause is not None:
            log.warning(
                "shadow_run_failed",
                endpoint=job.endpoint,
                arm=arm.value,
                cause=observation.cause.value,
                request_id=job.request_id,
                exc_info=observation.error,
            )
        return observation

    def _give_up(self, job: Job) -> None:
        """Count a comparison that has no reference."""
        metrics.COMPARISONS.labels(job.endpoint, "failed").inc()

    def _conclude(
        self, job: Job, legacy: Observation | None, found: Iterable[Wrong], *, otherwise: str
    ) -> None:
        """Count a comparison; `otherwise` is its outcome if nothing was wrong."""
        accepted = self._accepted(job.endpoint)
        judged = [(w, _excuse(accepted, job, w)) for w in _once(found)]
        outcome = otherwise
        if judged:
            outcome = "accepted" if all(excuse for _, excuse in judged) else "mismatch"
        counts = self._counts(job, legacy, outcome, judged)
        with self._ledger as batch:
            batch.add(counts)
        metrics.COMPARISONS.labels(job.endpoint, outcome).inc()
        for wrong, excuse in judged:
            if excuse is None:
                metrics.MISMATCHES.labels(job.endpoint, wrong.difference.kind.value).inc()
        self._on_outcome(job, outcome)

    def _accepted(self, endpoint: str) -> tuple[AcceptedDifference, ...]:
        """Return what is excused now.

        Only the store knows what has expired, so a worker that has lost it excuses nothing.
        """
        is_lost = self._states.state(endpoint).status is Status.UNKNOWN
        return () if is_lost else self._states.accepted

    def _counts(
        self, job: Job, legacy: Observation | None, outcome: str, judged: Iterable[_Judged]
    ) -> LedgerBatch:
        """Return what a comparison adds to the ledger; noise shows no branch to be equal."""
        counts = LedgerBatch(self._clock())
        tally = counts.tally(job.endpoint, job.answered.arm.value)
        tally.compared = 1
        if outcome in _COUNTED:
            setattr(tally, _COUNTED[outcome], 1)
        if legacy is not None and outcome not in ("noise", "inconclusive"):
            taken = noise.branches(job.route, legacy)
            counts.branches = {(job.endpoint, branch): 1 for branch in taken}
        for wrong, excuse in judged:
            difference = wrong.difference
            key = (job.endpoint, difference.path, difference.kind.value)
            if excuse is None:
                counts.mismatches[key] = MismatchTally(count=1, samples=[self._shown(job, wrong)])
            else:
                counts.mismatches[key] = MismatchTally(accepted=1)
                counts.acceptances[excuse.id] = counts.acceptances.get(excuse.id, 0) + 1
        return counts

    def _shown(self, job: Job, wrong: Wrong) -> dict[str, object]:
        sample = self._sample(wrong.difference, job.request_id)
        return {**sample, "reason": wrong.reason} if wrong.reason else sample


_COUNTED = {
    "mismatch": "mismatched",
    "accepted": "accepted",
    "noise": "noise",
    "inconclusive": "inconclusive",
}
"""The tally's count of each outcome but equal."""


def _question(job: Job) -> Question:
    request = job.request or repr(sorted(job.arguments.items(), key=lambda item: item[0]))
    return Question(job.endpoint, request, job.identity)


def _once(found: Iterable[Wrong]) -> list[Wrong]:
    """Return one difference of each path and kind."""
    found = tuple(found)
    reasons = {(w.difference.path, w.difference.kind): w.reason for w in reversed(found)}
    return [Wrong(d, reasons[d.path, d.kind]) for d in once(w.difference for w in found)]


def _excuse(
    accepted: Iterable[AcceptedDifference], job: Job, wrong: Wrong
) -> AcceptedDifference | None:
    difference = wrong.difference
    return find_excuse(accepted, job.endpoint, difference.path, difference.kind.value)


def _is_reference(legacy: Observation) -> bool:
    """Return whether another answer can be compared with this one of legacy."""
    violation = legacy.answer and legacy.answer.violation
    return legacy.cause is None and not isinstance(violation, ResponseReturnedError)
