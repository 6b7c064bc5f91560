"""Two answers in, differences out; pure.

`diff` compares, `coverage` tells which branches an answer took, `acceptance`
excuses differences.
"""

from detection_api.canary.comparison.acceptance import ANY, find_excuse
from detection_api.canary.comparison.coverage import branches_in, branches_of
from detection_api.canary.comparison.diff import compare_outcomes
from detection_api.canary.comparison.differences import ComparedOutcome, Difference, Kind, is_moved
from detection_api.canary.comparison.json_types import redacted, segment, shown

__all__ = [
    "ANY",
    "ComparedOutcome",
    "Difference",
    "Kind",
    "branches_in",
    "branches_of",
    "compare_outcomes",
    "find_excuse",
    "is_moved",
    "redacted",
    "segment",
    "shown",
]
