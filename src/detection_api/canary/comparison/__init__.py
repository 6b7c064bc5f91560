"""Compare answers; pure.

`diff` compares two answers, and `bracket` judges one by two looks at legacy. `coverage` finds the
branches that an answer took, and `acceptance` the differences that an operator accepted.
"""

from detection_api.canary.comparison.acceptance import ANY, find_excuse
from detection_api.canary.comparison.bracket import Movement, movement, outside
from detection_api.canary.comparison.coverage import branches_in, branches_of
from detection_api.canary.comparison.diff import compare_outcomes, differences_by_place, once
from detection_api.canary.comparison.differences import ComparedOutcome, Difference, Kind
from detection_api.canary.comparison.json_types import redacted, segment, shown

__all__ = [
    "ANY",
    "ComparedOutcome",
    "Difference",
    "Kind",
    "Movement",
    "branches_in",
    "branches_of",
    "compare_outcomes",
    "differences_by_place",
    "find_excuse",
    "movement",
    "once",
    "outside",
    "redacted",
    "segment",
    "shown",
]
