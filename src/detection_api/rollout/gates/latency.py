"""Judge whether the domain is fast enough; pure.

Its P95 must be within both limits of `canary.guard`: an absolute one, and a multiple of legacy's
P95 unless an operator has accepted that the domain is slower. A measured P95 is an estimate: the
gate fails if chance cannot explain that it is over a limit, else it waits for more requests.
"""

import math

from detection_api.canary.guard import LATE_RATIO, SLOW_SECONDS
from detection_api.rollout.gates.evidence import Evidence, Latency
from detection_api.rollout.gates.outcome import Gate, GateOutcome, wait
from detection_api.rollout.text import measured

LIMIT_MS = SLOW_SECONDS * 1000
SAMPLE = 100
"""Runs of each arm that a P95 needs. With fewer, a domain that is twice as slow measures as less
than 1.5 times in more than 2 of 100 cases (log-normal times, sigma 0.5)."""
OVER = f"over {LIMIT_MS:g} ms, or {LATE_RATIO:g} times legacy's"


def latency(evidence: Evidence) -> Gate:
    """Return the gate."""
    domain, (legacy, source) = evidence.domain.latency, _reference(evidence)
    excused = evidence.latency_excused is not None
    ratio = math.inf if excused else LATE_RATIO
    fewest = domain.count if excused else min(domain.count, legacy.count)
    outcome = GateOutcome.INCONCLUSIVE
    message = f"P95 {_in_ms(domain)}, legacy's {_in_ms(legacy)} ({source})"
    if excused:
        message += "; the domain is accepted to be slower"
    if fewest < SAMPLE:
        whose = "domain" if fewest == domain.count else "legacy"
        message += f": {SAMPLE} runs are needed, {whose} has {fewest}"
    if _clearly_slow(domain, legacy, ratio):
        outcome = GateOutcome.FAILED
        message += f": {OVER}"
    elif fewest >= SAMPLE and _within(domain, legacy, ratio):
        outcome = GateOutcome.PASSED
    elif fewest >= SAMPLE:
        message += f": may be {OVER}"
    return Gate(
        name="latency",
        outcome=outcome,
        message=message,
        figures={
            "domain_p95_ms": domain.p95_ms,
            "domain_runs": domain.count,
            "legacy_p95_ms": legacy.p95_ms,
            "legacy_runs": legacy.count,
            "legacy_from": source,
            "limit_ms": LIMIT_MS,
            "limit_ratio": None if excused else LATE_RATIO,
        },
        eta=wait(evidence, fewest, SAMPLE) if fewest < SAMPLE else None,
    )


def _reference(evidence: Evidence) -> tuple[Latency, str]:
    """Return legacy's latency and its source: its own requests if enough, else shadow runs."""
    own, shadow = evidence.legacy.latency, evidence.legacy.shadow
    if own.count >= SAMPLE or own.count >= shadow.count:
        return own, "its own requests"
    return shadow, "shadow runs"


def _within(domain: Latency, legacy: Latency, ratio: float) -> bool:
    assert domain.p95_ms is not None
    limit = LIMIT_MS if legacy.p95_ms is None else min(LIMIT_MS, ratio * legacy.p95_ms)
    return domain.p95_ms <= limit


def _clearly_slow(domain: Latency, legacy: Latency, ratio: float) -> bool:
    """Return whether chance cannot explain that the P95 is over a limit."""
    low, high = domain.p95_low_ms, legacy.p95_high_ms
    if low is None or domain.count < SAMPLE:
        return False
    return low > LIMIT_MS or (high is not None and low > ratio * high)


def _in_ms(latency: Latency) -> str:
    return "unknown" if latency.p95_ms is None else f"{measured(latency.p95_ms)} ms"
