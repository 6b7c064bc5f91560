"""Does the domain answer as legacy does, asked over HTTP? Read `verify` first.

Both arms of an instance are asked the same with `force_domain`. A request that another arm had to
answer proves nothing for the one that was asked: it is a failure, whatever the client saw.
"""

import math
import time
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
from detection_api.canary.state import AcceptedDifference, Arm
from detection_api.rollout.gates import excuse_of_latency
from detection_api.rollout.verification.cases import Case, plan
from detection_api.rollout.verification.discovery import Discovery, learn
from detection_api.rollout.verification.http_answers import HttpAnswer, Subject, ask
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

REPEAT = 3
"""How often each case is asked of both arms: for what fails now and then, and for the times."""
LOOKS = 4
"""How often what differed is looked at again before it is clear that the data only moves."""
SETTLE = 2.0
"""Seconds before each: one arm may see a change that much later than the other."""

Wait = Callable[[float], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a verification goes by.

    `accepted` are differences that are excused and have not expired; `violations` ids that may
    exist, for an instance whose ids are hard to find by asking.
    """

    accepted: Sequence[AcceptedDifference] = ()
    violations: Sequence[int] = ()
    wait: Wait = time.sleep


DEFAULT_TERMS = Terms()


def verify(
    client: Client,
    subjects: Iterable[Subject],
    terms: Terms = DEFAULT_TERMS,
    on_result: Callable[[EndpointResult], object] = lambda _: None,
) -> Verification:
    """Ask both arms of every subject for what there is and what there is not, and compare.

    `on_result` is told of each endpoint when it is done. Raises UnreachableError where the
    instance gives no answer at first; where it gives none later, the case has failed.
    """
    facts = learn(client, terms.violations)
    results = []
    for subject in subjects:
        examination = _Examination(client, subject, terms)
        results.append(examination.run(_cases(client, subject, facts)))
        on_result(results[-1])
    return Verification(base=client.base, endpoints=tuple(results))


def _cases(client: Client, subject: Subject, facts: Discovery) -> list[Case]:
    """Return what to ask of an endpoint, with the pages that can only be found by asking."""
    cases = plan(subject.parameters, facts)
    pages = (following(client, subject, case) for case in cases if case.is_first_page)
    return [*cases, *chain.from_iterable(pages)]


@dataclass
class _Course:
    """How one case goes: all answers so far, what differs yet, and what came of it."""

    case: Case
    legacy: list[HttpAnswer] = field(default_factory=list)
    domain: list[HttpAnswer] = field(default_factory=list)
    found: tuple[Difference, ...] = ()
    ending: Ending = Ending.EQUAL
    findings: tuple[str, ...] = ()

    @property
    def is_unclear(self) -> bool:
        """Whether something differs that may be data that moves."""
        return self.ending is Ending.MOVING


class _Examination:
    """One endpoint's verification."""

    def __init__(self, client: Client, subject: Subject, terms: Terms) -> None:
        self._client = client
        self._subject = subject
        self._terms = terms
        is_excused = excuse_of_latency(terms.accepted, subject.endpoint)
        self._echoed = frozenset(parameter.name for parameter in subject.parameters)
        self._max_ratio = math.inf if is_excused else LATE_RATIO

    def run(self, cases: Sequence[Case]) -> EndpointResult:
        """Go through all cases; where the domain takes too long, once more for the times alone."""
        courses = self._begin(cases)
        for _ in range(LOOKS):
            unclear = [course for course in courses if course.is_unclear]
            if unclear:
                self._terms.wait(SETTLE)
            for course in unclear:
                self._look_again(course)
        times = _times(courses)
        if slowness(*times, self._max_ratio):
            times = _times(self._begin(cases))
        agreed = [c for c in courses if c.ending in (Ending.EQUAL, Ending.ACCEPTED)]
        return conclude(
            self._subject.endpoint,
            [self._result(course) for course in courses],
            *times,
            branches_of(self._subject.route.rule) - self._branches(agreed),
            max_ratio=self._max_ratio,
        )

    def _begin(self, cases: Iterable[Case]) -> list[_Course]:
        """Ask for every case, so often that what fails now and then may show."""
        courses = [_Course(case) for case in cases]
        for course in courses:
            for _ in range(REPEAT):
                differences = self._compare(course)
                course.found = course.found or differences
            if course.found and course.ending is not Ending.FAILED:
                course.ending = Ending.MOVING
        return courses

    def _compare(self, course: _Course) -> tuple[Difference, ...]:
        """Ask both arms, legacy first; how the domain differs, where both gave sound answers."""
        legacy, domain = self._ask(Arm.LEGACY, course.case), self._ask(Arm.DOMAIN, course.case)
        course.legacy.append(legacy)
        course.domain.append(domain)
        faults = tuple(answer.fault for answer in (legacy, domain) if answer.fault)
        if faults:
            course.ending, course.findings = Ending.FAILED, faults
            return ()
        return compare_outcomes(self._subject.route.rule, legacy.outcome, domain.outcome)

    def _ask(self, arm: Arm, case: Case) -> HttpAnswer:
        return ask(self._client, self._subject, arm, case.arguments, case.refused)

    def _look_again(self, course: _Course) -> None:
        """Keep of what differed what is still there though the data stood still."""
        before = course.legacy[-1].outcome
        found, again = course.found, self._compare(course)
        if course.ending is Ending.FAILED:
            return
        course.found = again
        rule, now = self._subject.route.rule, course.legacy[-1].outcome
        moved = (*compare_outcomes(rule, before, now), *compare_outcomes(rule, now, before))
        lasted = lasting(found, again, moved)
        if lasted:
            self._judge(course, lasted)
        elif not again or self._is_late(course):
            course.ending = Ending.EQUAL

    def _is_late(self, course: _Course) -> bool:
        """Whether the domain answers now as legacy did a moment ago: it sees changes later."""
        rule, domain = self._subject.route.rule, course.domain[-1].outcome
        earlier = (answer.outcome for answer in course.legacy[:-1] if not answer.fault)
        return any(not compare_outcomes(rule, legacy, domain) for legacy in earlier)

    def _judge(self, course: _Course, lasted: Iterable[Difference]) -> None:
        """Fail a case, unless all that lasted is accepted."""
        endpoint, accepted = self._subject.endpoint, self._terms.accepted
        judged = [(d, find_excuse(accepted, endpoint, d.path, d.kind.value)) for d in lasted]
        unexcused = tuple(described(difference) for difference, excuse in judged if not excuse)
        course.ending = Ending.FAILED if unexcused else Ending.ACCEPTED
        course.findings = unexcused or tuple(excuse.reason for _, excuse in judged if excuse)

    def _branches(self, courses: Iterable[_Course]) -> set[str]:
        """The branches of the contract that legacy's answers took."""
        rule = self._subject.route.rule
        answers = (answer for course in courses for answer in course.legacy if answer.is_body)
        return set().union(*(branches_in(rule, answer.outcome.value) for answer in answers))

    def _result(self, course: _Course) -> CaseResult:
        legacy, domain = course.legacy[-1], course.domain[-1]
        schema = self._subject.route.contract.schema
        return CaseResult(
            case=course.case.name,
            url=self._subject.url(course.case.arguments),
            ending=course.ending,
            has_data=domain.is_body and has_data(schema, domain.outcome.value, self._echoed),
            legacy_status=legacy.status,
            domain_status=domain.status,
            findings=course.findings,
        )


def _times(courses: Sequence[_Course]) -> tuple[Times, Times]:
    """Legacy's and the domain's."""
    legacy = (answer.ms for course in courses for answer in course.legacy)
    domain = (answer.ms for course in courses for answer in course.domain)
    return times_of(ms for ms in legacy if ms is not None), times_of(
        ms for ms in domain if ms is not None
    )
