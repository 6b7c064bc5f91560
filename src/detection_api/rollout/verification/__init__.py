"""Do both arms of a running instance answer alike? Asked over HTTP.

Read `runner.verify` first; `cases` says what is asked, `results` what was found.
"""

from detection_api.rollout.verification.http_answers import subjects_of
from detection_api.rollout.verification.inputs import read_terms
from detection_api.rollout.verification.results import (
    CaseResult,
    CaseVerdict,
    EndpointResult,
    Times,
)
from detection_api.rollout.verification.runner import Terms, verify
from detection_api.rollout.verification.verifier import Verifier

__all__ = [
    "CaseResult",
    "CaseVerdict",
    "EndpointResult",
    "Terms",
    "Times",
    "Verifier",
    "read_terms",
    "subjects_of",
    "verify",
]
