"""The wrong domains of the corpus, by kind, and the healthy controls."""

from collections.abc import Sequence

from tests.corpus.case import Case
from tests.corpus.domains import (
    always,
    controls,
    crashes,
    kept,
    late,
    live,
    rare,
    shapes,
    slow,
    some_requests,
    spoilt,
)

CASES: Sequence[Case] = (
    *always.CASES,
    *some_requests.CASES,
    *live.CASES,
    *late.CASES,
    *kept.CASES,
    *crashes.CASES,
    *rare.CASES,
    *slow.CASES,
    *shapes.CASES,
    *spoilt.CASES,
    *controls.CASES,
)
"""Every simulated case."""
