"""Counters of what the canary did, in Prometheus' terms; right across gunicorn's workers."""

from prometheus_client import Counter

from detection_api.canary.engine import Served
from detection_api.canary.observation import Cause

REQUESTS = Counter(
    "canary_requests",
    "Requests to canaried endpoints by the arm that answered and the reason why.",
    ["endpoint", "arm", "reason"],
)
FAILURES = Counter(
    "canary_failures",
    "Failures of an implementation, whatever the client saw.",
    ["endpoint", "arm", "cause"],
)
FAULTS = Counter(
    "canary_faults",
    "Faults of the canary's own machinery, which no client saw.",
    ["operation"],
)


def count(endpoint: str, served: Served) -> None:
    """Count one request and every failure in it."""
    labels = served.labels
    REQUESTS.labels(endpoint, labels["arm"], labels["reason"]).inc()
    for observation in served.observations:
        cause = observation.cause
        if observation.answer is not None and observation.answer.violation is not None:
            cause = Cause.CONTRACT
        if cause is not None:
            FAILURES.labels(endpoint, observation.arm.value, cause.value).inc()
