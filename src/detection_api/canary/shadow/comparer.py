"""Make a shadow comparison; read `Comparer.compare` first.

What differs is looked at once more when the data has settled: data that moves, or that one arm gets
to see a moment later than the other, is no difference.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

import structlog

from detection_api.canary import metrics
from detection_api.canary.comparison import Difference, find_excuse
from detection_api.canary.contract import ResponseReturnedError
from detection_api.canary.serving import Engine, Observation
from detection_api.canary.shadow import noise
from detection_api.canary.shadow.queue import FirstPass, Job
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

_Judged = tuple[Difference, AcceptedDifference | None]
"""A difference, and what excuses it."""


class States(Protocol):
    """The states that the worker applies, as a comparison reads them."""

    accepted: tuple[AcceptedDifference, ...]

    def state(self, endpoint: str) -> RolloutState:
        """The state that this worker applies to `endpoint`."""


class Comparer:
    """Compares answers, and counts what came of it in the worker's ledger.

    With `store_values` samples show values, otherwise no more than their types and sizes. What
    differed is looked at once more after `settle` seconds. `on_outcome` is called with the job and
    the outcome of each comparison: equal, mismatch, accepted or noise.
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

    def compare(self, job: Job) -> Job | None:
        """Compare; the job again where something differs that has to be looked at once more."""
        if job.first is None:
            return self._compare_first(job)
        self._compare_again(job, job.first)
        return None

    def _compare_first(self, job: Job) -> Job | None:
        """Compare the answer with a run of the other arm.

        A domain that fails is a mismatch at once: that is no data that moved.
        """
        other = Arm.LEGACY if job.answered.arm is Arm.DOMAIN else Arm.DOMAIN
        runs = {job.answered.arm: job.answered, other: self._run(other, job)}
        legacy, domain = runs[Arm.LEGACY], runs[Arm.DOMAIN]
        if not _is_reference(legacy):
            self._give_up(job)
            return None
        found = noise.differences(job.route, legacy, domain)
        if found and domain.cause is None:
            first = FirstPass(legacy=legacy, found=found)
            return replace(job, first=first, due=self._clock() + self._settle)
        self._conclude(job, legacy, found, otherwise="equal")
        return None

    def _compare_again(self, job: Job, first: FirstPass) -> None:
        """Keep of what was found what is still there though the data stood still.

        Legacy runs last: between its two runs is every moment whose data the domain may have seen.
        """
        domain, legacy = self._run(Arm.DOMAIN, job), self._run(Arm.LEGACY, job)
        if not _is_reference(legacy):
            self._give_up(job)
            return
        again = noise.differences(job.route, legacy, domain)
        moved = (
            *noise.differences(job.route, first.legacy, legacy),
            *noise.differences(job.route, legacy, first.legacy),
        )
        found = again if domain.cause else noise.lasting(first.found, again, moved)
        self._conclude(job, legacy, found, otherwise="noise")

    def _run(self, arm: Arm, job: Job) -> Observation:
        observation = self._engine.run(arm, job.route, job.arguments, job.endpoint)
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
        """There is no reference to compare with."""
        metrics.COMPARISONS.labels(job.endpoint, "failed").inc()

    def _conclude(
        self, job: Job, legacy: Observation, found: Iterable[Difference], *, otherwise: str
    ) -> None:
        """Count a comparison; `otherwise` is what came of it where nothing was found."""
        accepted = self._accepted(job.endpoint)
        judged = [(d, find_excuse(accepted, job.endpoint, d.path, d.kind.value)) for d in found]
        outcome = otherwise
        if judged:
            outcome = "accepted" if all(excuse for _, excuse in judged) else "mismatch"
        counts = self._counts(job, legacy, outcome, judged)
        with self._ledger as batch:
            batch.add(counts)
        metrics.COMPARISONS.labels(job.endpoint, outcome).inc()
        for difference, excuse in judged:
            if excuse is None:
                metrics.MISMATCHES.labels(job.endpoint, difference.kind.value).inc()
        self._on_outcome(job, outcome)

    def _accepted(self, endpoint: str) -> tuple[AcceptedDifference, ...]:
        """Return the differences that are accepted now.

        Only the store knows what has expired; a worker that has lost it must not go on excusing.
        """
        is_lost = self._states.state(endpoint).status is Status.UNKNOWN
        return () if is_lost else self._states.accepted

    def _counts(
        self, job: Job, legacy: Observation, outcome: str, judged: Iterable[_Judged]
    ) -> LedgerBatch:
        """Return what a comparison adds to the ledger; noise proves no branch equal."""
        counts = LedgerBatch(self._clock())
        tally = counts.tally(job.endpoint, job.answered.arm.value)
        tally.compared = 1
        tally.mismatched = int(outcome == "mismatch")
        tally.accepted = int(outcome == "accepted")
        tally.noise = int(outcome == "noise")
        if outcome != "noise":
            taken = noise.branches(job.route, legacy)
            counts.branches = {(job.endpoint, branch): 1 for branch in taken}
        for difference, excuse in judged:
            key = (job.endpoint, difference.path, difference.kind.value)
            if excuse is None:
                one = MismatchTally(count=1, samples=[self._sample(difference, job.request_id)])
            else:
                one = MismatchTally(accepted=1)
                counts.acceptances[excuse.id] = counts.acceptances.get(excuse.id, 0) + 1
            counts.mismatches[key] = one
        return counts


def _is_reference(legacy: Observation) -> bool:
    """Return whether another answer can be compared with what legacy did."""
    violation = legacy.answer and legacy.answer.violation
    return legacy.cause is None and not isinstance(violation, ResponseReturnedError)
