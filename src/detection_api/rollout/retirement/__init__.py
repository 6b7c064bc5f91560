"""May the legacy of an endpoint be deleted, and which code goes with it?

`assessment` judges, `exposure` reads the audit, `unused_code` reads the source.
"""

from detection_api.rollout.retirement.assessment import QUIET, Assessment, AssessmentInput, assess
from detection_api.rollout.retirement.exposure import exposures
from detection_api.rollout.retirement.unused_code import Code, Unused

__all__ = [
    "QUIET",
    "Assessment",
    "AssessmentInput",
    "Code",
    "Unused",
    "assess",
    "exposures",
]
