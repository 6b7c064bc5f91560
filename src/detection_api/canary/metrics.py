"""The canary's Prometheus metrics; correct across gunicorn's workers."""

from collections.abc import Mapping

import structlog
from prometheus_client import Counter, Gauge, Histogram

from detection_api.canary.comparison import Kind
from detection_api.canary.serving import FailureCause
from detection_api.canary.state import Arm, LedgerBatch, seconds_of

log = structlog.get_logger(__name__)

REQUESTS = Counter(
    "canary_requests",
    "Requests to canaried endpoints by the arm that answered and the reason why.",
    ["endpoint", "arm", "reason"],
)
RESPONSES = Counter(
    "canary_responses",
    "Responses by the arm that answered and their status (2xx, 4xx, ...).",
    ["endpoint", "arm", "status"],
)
FAILURES = Counter(
    "canary_failures",
    "Failures of an implementation, whatever the client saw.",
    ["endpoint", "arm", "cause"],
)
FALLBACKS = Counter(
    "canary_fallbacks",
    "Requests that legacy answered because the domain failed.",
    ["endpoint"],
)
OUTAGES = Counter("canary_outages", "Requests that no arm could answer.", ["endpoint"])


LATENCY = Histogram(
    "canary_latency_seconds",
    "How long an arm took for a client's request.",
    ["endpoint", "arm"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
COMPARISONS = Counter(
    "canary_comparisons",
    "Shadow comparisons of the two arms by what came of them.",
    ["endpoint", "outcome"],
)
MISMATCHES = Counter(
    "canary_mismatches",
    "Unaccepted differences between the arms.",
    ["endpoint", "kind"],
)
SHADOW_DROPS = Counter(
    "canary_shadow_drops",
    "Shadow comparisons that there was no room for.",
    ["endpoint"],
)
FAULTS = Counter(
    "canary_faults",
    "Faults of the canary's own machinery, which no client saw.",
    ["operation"],
)
PERCENT = Gauge(
    "canary_percent",
    "Share of subjects, 0 to 100, that the domain answers when the endpoint is not rolled back.",
    ["endpoint"],
    multiprocess_mode="livemax",
)
PINNED = Gauge(
    "canary_pinned_percent",
    "Share of subjects, 0 to 100, that a variable of the environment pins for an endpoint.",
    ["endpoint", "variable"],
    multiprocess_mode="livemax",
)
ROLLED_BACK = Gauge(
    "canary_rolled_back",
    "1 where an endpoint is rolled back, or its state has been unknown for too long.",
    ["endpoint"],
    multiprocess_mode="livemax",
)
EPOCH = Gauge(
    "canary_epoch",
    "The oldest epoch of an endpoint's state that a worker of this instance applies.",
    ["endpoint"],
    multiprocess_mode="livemin",
)
GUARD_POINTS = Gauge(
    "canary_guard_points",
    "Points against an endpoint's domain, by the guard's signal.",
    ["endpoint", "signal", "level"],
    multiprocess_mode="livemax",
)
STORE_AGE = Gauge(
    "canary_store_age_seconds",
    "Seconds since the store was last heard from.",
    multiprocess_mode="livemax",
)


def begin(endpoint: str) -> None:
    """Have an endpoint's counters stand at 0, not be missing, before its first request.

    To Prometheus, a counter that appears with its first event has not grown.
    """
    for counter in (FALLBACKS, OUTAGES, SHADOW_DROPS):
        counter.labels(endpoint)
    for arm in Arm:
        LATENCY.labels(endpoint, arm.value)
        for status in ("2xx", "3xx"):
            RESPONSES.labels(endpoint, arm.value, status)
        for cause in FailureCause:
            FAILURES.labels(endpoint, arm.value, cause.value)
    for arm_name in (*(arm.value for arm in Arm), "none"):
        RESPONSES.labels(endpoint, arm_name, "5xx")
    for kind in Kind:
        MISMATCHES.labels(endpoint, kind.value)


def show_counts(batch: LedgerBatch) -> None:
    """Add what was counted, so that these counters and the ledger never tell different things."""
    for (endpoint, arm, reason, hundreds), count in batch.replies.items():
        REQUESTS.labels(endpoint, arm, reason).inc(count)
        RESPONSES.labels(endpoint, arm, f"{hundreds}xx").inc(count)
    for (endpoint, arm), tally in batch.tallies.items():
        for cause, count in tally.failures.items():
            FAILURES.labels(endpoint, arm, cause).inc(count)
        FALLBACKS.labels(endpoint).inc(tally.fallbacks)
        OUTAGES.labels(endpoint).inc(tally.outages)
        SHADOW_DROPS.labels(endpoint).inc(tally.dropped)
        for outcome, count in tally.comparisons.items():
            COMPARISONS.labels(endpoint, outcome).inc(count)
        latency = LATENCY.labels(endpoint, arm)
        for index, count in tally.latency.items():
            for _ in range(count):
                latency.observe(seconds_of(index))
    for (endpoint, _, kind), mismatch in batch.mismatches.items():
        MISMATCHES.labels(endpoint, kind).inc(mismatch.count)


def fault(operation: str, **facts: object) -> None:
    """Log and count the exception in progress; counting may be the very thing that fails."""
    log.exception("canary_fault", operation=operation, **facts)
    count_fault(operation)


def count_fault(operation: str) -> None:
    """Count a fault of the canary's own; never raises."""
    try:
        FAULTS.labels(operation).inc()
    except Exception:
        log.exception("canary_fault", operation="count")


def show_points(endpoint: str, level: str, points: Mapping[str, float]) -> None:
    """Show a guard's points by signal; `level` is worker or fleet."""
    for signal, value in points.items():
        GUARD_POINTS.labels(endpoint, signal, level).set(value)


def show_state(endpoint: str, *, percent: float, rolled_back: bool, epoch: int) -> None:
    """Show what this worker applies to an endpoint."""
    PERCENT.labels(endpoint).set(percent)
    ROLLED_BACK.labels(endpoint).set(rolled_back)
    EPOCH.labels(endpoint).set(epoch)
