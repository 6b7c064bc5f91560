"""Verify that the domain answers as legacy does, over HTTP. Read `verify` first.

Each request is sent to both arms of an instance with `force_domain`. An arm fails if the other arm
had to answer for it, although the client got a good answer.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain

from detection_api.canary.comparison import (
    Difference,
    branches_in,
    branches_of,
    compare_outcomes,
    find_excuse,
)
from detection_api.canary.guard import LATE_RATIO
from detection_api.canary.shadow import lasting
from detection_api.canary.state import Arm
from detection_api.rollout.gates import excuse_of_latency
from detection_api.rollout.verification.cases import Case, plan
from detection_api.rollout.verification.discovery import Discovery, learn
from detection_api.rollout.verification.http_answers import HttpAnswer, Subject, ask
from detection_api.rollout.verification.inputs import Inputs
from detection_api.rollout.verification.pages import following
from detection_api.rollout.verification.results import (
    CaseResult,
    Ending,
    EndpointResult,
    Times,
    Verification,
    conclude,
    described,
    slowness,
    times_of,
)
from detection_api.rollout.verification.substance import has_data
from detection_api.web.client import Client

REPETITIONS = 3
"""Times that each case is sent to both arms, to find rare failures and to measure times."""
RECHECKS = 4
"""Times that a case with a difference is compared again; then its data is moving."""
SETTLE = 2.0
"""Seconds before each recheck: one arm may see a change this much later than the other."""
DEFAULT_INPUTS = Inputs()


def verify(
    client: Client,
    subjects: Iterable[Subject],
    inputs: Inputs = DEFAULT_INPUTS,
    on_result: Callable[[EndpointResult], object] = lambda _: None,
) -> Verification:
    """Send every case of every subject to both arms, and compare the answers.

    Calls `on_result` after each endpoint. Raises UnreachableError if the instance does not answer
    at the start; a case fails if it does not answer later.
    """
    discovery = learn(client, inputs.violations)
    results = []
    for subject in subjects:
        verification = _EndpointVerification(client, subject, inputs)
        results.append(verification.run(_cases(client, subject, discovery)))
        on_result(results[-1])
    return Verification(base=client.base, endpoints=tuple(results))


def _cases(client: Client, subject: Subject, facts: Discovery) -> list[Case]:
    """Return what to ask of an endpoint, with the pages that can only be found by asking."""
    cases = plan(subject.parameters, facts)
    pages = (following(client, subject, case) for case in cases if case.is_first_page)
    return [*cases, *chain.from_iterable(pages)]


@dataclass
class _CaseRun:
    """All answers to a case so far, the differences that are unexplained, and its ending."""

    case: Case
    legacy: list[HttpAnswer] = field(default_factory=list)
    domain: list[HttpAnswer] = field(default_factory=list)
    differences: tuple[Difference, ...] = ()
    ending: Ending = Ending.EQUAL
    findings: tuple[str, ...] = ()


class _EndpointVerification:
    """The verification of one endpoint."""

    def __init__(self, client: Client, subject: Subject, inputs: Inputs) -> None:
        self._client = client
        self._subject = subject
        self._inputs = inputs
        is_excused = excuse_of_latency(inputs.accepted, subject.endpoint)
        self._echoed = frozenset(parameter.name for parameter in subject.parameters)
        self._max_ratio = math.inf if is_excused else LATE_RATIO

    def run(self, cases: Sequence[Case]) -> EndpointResult:
        """Run all cases; if the domain was slow, run them once more and use the new times."""
        runs = self._run_cases(cases)
        for _ in range(RECHECKS):
            unclear = [run for run in runs if run.ending is Ending.MOVING]
            if unclear:
                self._inputs.wait(SETTLE)
            for run in unclear:
                self._recheck(run)
        times = _times(runs)
        if slowness(*times, self._max_ratio):
            times = _times(self._run_cases(cases))
        agreed = [run for run in runs if run.ending in (Ending.EQUAL, Ending.ACCEPTED)]
        return conclude(
            self._subject.endpoint,
            [self._result(run) for run in runs],
            *times,
            branches_of(self._subject.route.rule) - self._branches(agreed),
            max_ratio=self._max_ratio,
        )

    def _run_cases(self, cases: Iterable[Case]) -> list[_CaseRun]:
        """Run each case REPETITIONS times; one with a difference is unclear for now."""
        runs = [_CaseRun(case) for case in cases]
        for run in runs:
            for _ in range(REPETITIONS):
                differences = self._compare(run)
                run.differences = run.differences or differences
            if run.differences and run.ending is not Ending.FAILED:
                run.ending = Ending.MOVING
        return runs

    def _compare(self, run: _CaseRun) -> tuple[Difference, ...]:
        """Ask both arms, legacy first; return the differences, or fail the run if one is faulty."""
        legacy, domain = self._ask(Arm.LEGACY, run.case), self._ask(Arm.DOMAIN, run.case)
        run.legacy.append(legacy)
        run.domain.append(domain)
        faults = tuple(answer.fault for answer in (legacy, domain) if answer.fault)
        if faults:
            run.ending, run.findings = Ending.FAILED, faults
            return ()
        return compare_outcomes(self._subject.route.rule, legacy.outcome, domain.outcome)

    def _ask(self, arm: Arm, case: Case) -> HttpAnswer:
        return ask(self._client, self._subject, arm, case.arguments, case.refused)

    def _recheck(self, run: _CaseRun) -> None:
        """Compare again: a difference lasts if legacy's data did not change in between."""
        before = run.legacy[-1].outcome
        earlier, again = run.differences, self._compare(run)
        if run.ending is Ending.FAILED:
            return
        run.differences = again
        rule, now = self._subject.route.rule, run.legacy[-1].outcome
        moved = (*compare_outcomes(rule, before, now), *compare_outcomes(rule, now, before))
        lasted = lasting(earlier, again, moved)
        if lasted:
            self._judge(run, lasted)
        elif not again or self._is_late(run):
            run.ending = Ending.EQUAL

    def _is_late(self, run: _CaseRun) -> bool:
        """Return whether the domain answers now as legacy did before: it sees changes later."""
        rule, domain = self._subject.route.rule, run.domain[-1].outcome
        earlier = (answer.outcome for answer in run.legacy[:-1] if not answer.fault)
        return any(not compare_outcomes(rule, legacy, domain) for legacy in earlier)

    def _judge(self, run: _CaseRun, lasted: Iterable[Difference]) -> None:
        """Fail a case unless all differences that lasted are accepted."""
        endpoint, accepted = self._subject.endpoint, self._inputs.accepted
        judged = [(d, find_excuse(accepted, endpoint, d.path, d.kind.value)) for d in lasted]
        unexcused = tuple(described(difference) for difference, excuse in judged if not excuse)
        run.ending = Ending.FAILED if unexcused else Ending.ACCEPTED
        run.findings = unexcused or tuple(excuse.reason for _, excuse in judged if excuse)

    def _branches(self, runs: Iterable[_CaseRun]) -> set[str]:
        """Return the branches of the contract that legacy's answers took."""
        rule = self._subject.route.rule
        answers = (answer for run in runs for answer in run.legacy if answer.is_body)
        return set().union(*(branches_in(rule, answer.outcome.value) for answer in answers))

    def _result(self, run: _CaseRun) -> CaseResult:
        legacy, domain = run.legacy[-1], run.domain[-1]
        schema = self._subject.route.contract.schema
        return CaseResult(
            case=run.case.name,
            url=self._subject.url(run.case.arguments),
            ending=run.ending,
            has_data=domain.is_body and has_data(schema, domain.outcome.value, self._echoed),
            legacy_status=legacy.status,
            domain_status=domain.status,
            findings=run.findings,
        )


def _times(runs: Sequence[_CaseRun]) -> tuple[Times, Times]:
    """Return the times of legacy and of the domain."""
    legacy = (answer.ms for run in runs for answer in run.legacy)
    domain = (answer.ms for run in runs for answer in run.domain)
    return times_of(ms for ms in legacy if ms is not None), times_of(
        ms for ms in domain if ms is not None
    )
