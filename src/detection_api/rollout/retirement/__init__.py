"""Assess whether the legacy of an endpoint may be deleted, and list the code that goes with it.

`survey` reads what is needed, `assessment` judges it, `exposure` reads the audit, `unused_code`
reads the source.
"""

from detection_api.rollout.retirement.assessment import QUIET, Assessment
from detection_api.rollout.retirement.survey import (
    FINISHED,
    MAY_GO,
    NOT_YET,
    Survey,
    SurveyedEndpoint,
    goes_with,
    survey_endpoints,
)
from detection_api.rollout.retirement.unused_code import Unused

__all__ = [
    "FINISHED",
    "MAY_GO",
    "NOT_YET",
    "QUIET",
    "Assessment",
    "Survey",
    "SurveyedEndpoint",
    "Unused",
    "goes_with",
    "survey_endpoints",
]
