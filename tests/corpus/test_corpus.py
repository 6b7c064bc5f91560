"""A part of the corpus: no wrong domain passes a stage that shows it, and none keeps its clients.

`make corpus` rolls out all of it.
"""

import pytest

from tests.corpus.case import Case, Kind, complaints
from tests.corpus.domains import CASES
from tests.corpus.simulation import Simulation

PART = (
    "null for a text",
    "raises where there are rows",
    "wrong for germans",
    "wrong one time in ten",
    "a race spoils every ninth call",
    "one cameras frames times ten",
    "a fixed field of a moving object",
    "counters of a minute ago",
    "the newest row is always missing",
    "wrong after half a minute without a run",
    "wrong under a pinned percentage",
    "raises after half a minute without a run",
    "always wrong and at 50 percent before",
    "slow from 50 percent on",
    "wrong 1 time in 97",
    "raises system exit",
    "raises memory error",
    "wrong with a cursor",
    "empties a list that both arms are given",
    "live counters",
    "midnight in Shanghai",
    "PostgreSQL restarts",
)
"""The names of the cases that run with every test of the project."""
BY_NAME = {case.name: case for case in CASES}


def _parameter(case: Case) -> object:
    marks = [pytest.mark.xfail(strict=True, reason=case.missed)] if case.missed else []
    return pytest.param(case, id=case.name, marks=marks)


@pytest.mark.parametrize("case", [_parameter(BY_NAME[name]) for name in PART])
def test_a_domain_ends_where_it_must(case: Case) -> None:
    outcome = Simulation(case).run()
    assert complaints(case, outcome) == []


def test_the_corpus_has_wrong_domains_of_every_kind_and_controls() -> None:
    wrong = [case for case in CASES if not case.is_healthy]
    assert len(wrong) >= 40
    assert {case.kind for case in CASES} == set(Kind)


def test_no_two_cases_have_the_same_name() -> None:
    assert len(BY_NAME) == len(CASES)
