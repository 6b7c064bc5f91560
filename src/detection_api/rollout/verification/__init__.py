"""Compare both arms of a running instance over HTTP.

Read `runner.verify` first. `cases` has the requests, `results` the verdicts.
"""

from detection_api.rollout.verification.http_answers import subjects_of
from detection_api.rollout.verification.inputs import Inputs, read_inputs
from detection_api.rollout.verification.readiness import wait_until_healthy
from detection_api.rollout.verification.results import (
    CaseResult,
    CaseVerdict,
    EndpointResult,
    Times,
    Verification,
)
from detection_api.rollout.verification.runner import verify
from detection_api.rollout.verification.verifier import Verifier

__all__ = [
    "CaseResult",
    "CaseVerdict",
    "EndpointResult",
    "Inputs",
    "Times",
    "Verification",
    "Verifier",
    "read_inputs",
    "subjects_of",
    "verify",
    "wait_until_healthy",
]
