"""Whether the evidence permits an endpoint to pass its stage; pure.

No evidence is not good evidence: a gate with too little to say is inconclusive, never passed, and
says what is missing. A gate fails where the domain is clearly wrong, as soon as that is clear.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from detection_api.canary.guard import (
    ADVANCE_POINTS,
    LATE_RATIO,
    SLOW_SECONDS,
    Verdict,
    may_advance,
)
from detection_api.rollout.evidence import Evidence, Latency
from detection_api.rollout.run import Plan
from detection_api.rollout.text import span

P95_LIMIT_MS = SLOW_SECONDS * 1000
LATENCY_SAMPLE = 100
"""Runs of each arm without which a P95 says nothing: half of the 1.5 times to be told from twice
are noise with fewer."""
NAMED = 5
"""Branches and mismatches that a sentence names."""


class Outcome(Enum):
    """What a gate, or all of them, come to."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate's outcome, with its figures and in a sentence.

    `eta` is in how many seconds it will be conclusive at the present rate, where that is known.
    """

    name: str
    outcome: Outcome
    said: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    eta: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What the verification of an endpoint at one instance came to; `facts` are JSON's types."""

    url: str
    outcome: Outcome
    said: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def judge(evidence: Evidence, plan: Plan) -> tuple[Gate, ...]:
    """Every gate but the verification, which calls the application: see `verification`."""
    return (
        _bake(evidence, plan),
        _workers(evidence),
        _traffic(evidence, plan),
        _guard(evidence),
        _mismatches(evidence),
        _comparisons(evidence, plan),
        _coverage(evidence),
        _latency(evidence),
    )


def verification(plan: Plan, verified: Iterable[Verified] | None) -> Gate:
    """Whether every instance that is to be verified was: see `verification.py`."""
    if not plan.verify_urls:
        said = "nobody was named to be verified: see --verify-url"
        if plan.without_verification:
            said = "not verified, as the operator wanted"
        outcome = _passed_if(plan.without_verification)
        return Gate(name="verification", outcome=outcome, said=said)
    if verified is None:
        said, outcome = "when all else has passed", Outcome.INCONCLUSIVE
        return Gate(name="verification", outcome=outcome, said=said, eta=0.0)
    found = list(verified)
    return Gate(
        name="verification",
        outcome=_worst(one.outcome for one in found),
        said="; ".join(f"{one.url}: {one.said}" for one in found),
        figures={one.url: one.facts for one in found},
    )


def conclude(gates: Iterable[Gate]) -> Outcome:
    """What gates come to together: one that failed fails all, all have to pass."""
    return _worst(gate.outcome for gate in gates)


def _worst(outcomes: Iterable[Outcome]) -> Outcome:
    found = set(outcomes)
    if Outcome.FAILED in found:
        return Outcome.FAILED
    return Outcome.PASSED if found == {Outcome.PASSED} else Outcome.INCONCLUSIVE


def eta(gates: Iterable[Gate]) -> float | None:
    """Seconds until all that is inconclusive may be over; None where nobody knows."""
    waited_for = [gate.eta for gate in gates if gate.outcome is Outcome.INCONCLUSIVE]
    known = [seconds for seconds in waited_for if seconds is not None]
    return max(known, default=0.0) if len(known) == len(waited_for) else None


def _passed_if(passes: bool) -> Outcome:
    return Outcome.PASSED if passes else Outcome.INCONCLUSIVE


def _bake(evidence: Evidence, plan: Plan) -> Gate:
    left = max(0.0, plan.bake - evidence.seconds)
    said = f"baked {span(evidence.seconds)} of {span(plan.bake)}"
    figures = {"seconds": round(evidence.seconds, 1), "needed": plan.bake}
    return Gate(name="bake", outcome=_passed_if(left == 0), said=said, figures=figures, eta=left)


def _workers(evidence: Evidence) -> Gate:
    behind = [worker.worker for worker in evidence.workers if not worker.applies]
    figures = {"workers": len(evidence.workers), "behind": len(behind)}
    if not evidence.workers:
        said = "no worker was heard from within the last minute"
    elif behind:
        said = f"not applied yet by {_listed(behind)}"
    else:
        said = f"applied by all {len(evidence.workers)} workers"
    passes = bool(evidence.workers) and not behind
    return Gate(name="workers", outcome=_passed_if(passes), said=said, figures=figures)


def _traffic(evidence: Evidence, plan: Plan) -> Gate:
    """Whether enough requests of clients were the domain's: forced ones prove nothing."""
    domain, legacy = evidence.domain, evidence.legacy
    forced = domain.counts["forced"] + legacy.counts["forced"]
    said = f"the domain answered {domain.judged} of at least {plan.min_requests} requests"
    if not domain.judged and legacy.judged:
        said += (
            f", legacy {legacy.judged}: no client of these is among the"
            f" {evidence.percent:g}%, for each stays on its side"
        )
    elif not domain.judged and forced:
        said += f": {forced} were forced, which proves nothing"
    elif not domain.judged:
        said += ": there is no traffic"
    figures = {
        "requests": domain.judged,
        "needed": plan.min_requests,
        "legacy": legacy.judged,
        "forced": forced,
    }
    return _counted("traffic", evidence, domain.judged, plan.min_requests, said, figures)


def _guard(evidence: Evidence) -> Gate:
    """See guard.md, "Permission to advance"."""
    guard, counts = evidence.guard, evidence.domain.counts
    figures = {
        "points": guard.points,
        "needed": ADVANCE_POINTS,
        "good": counts["good"],
        "bad": counts["bad"],
        "on": list(guard.on),
    }
    said = f"{counts['bad']} of the domain's {evidence.domain.judged} requests failed"
    said += f", {guard.points} of {ADVANCE_POINTS} points to advance"
    if guard.on:
        said += f"; {' and '.join(guard.on)}: the guard says {guard.verdict}"
    verdict = Verdict(guard.verdict)
    if verdict is Verdict.ROLLBACK:
        return Gate(name="guard", outcome=Outcome.FAILED, said=said, figures=figures)
    return Gate(
        name="guard",
        outcome=_passed_if(may_advance(counts["good"], counts["bad"], verdict)),
        said=said,
        figures=figures,
        eta=None if guard.on else _wait(evidence, guard.points, ADVANCE_POINTS),
    )


def _mismatches(evidence: Evidence) -> Gate:
    """One answer that differs in a way that nobody has accepted is one too many."""
    found = evidence.unaccepted
    accepted = sum(differing.accepted for differing in evidence.mismatches)
    figures = {"unaccepted": sum(d.count for d in found), "accepted": accepted}
    if not found:
        said = "none" + (f", but {accepted} that are accepted" if accepted else "")
        return Gate(name="mismatches", outcome=Outcome.PASSED, said=said, figures=figures)
    named = [f"{d.path} {d.kind} ({d.count})" for d in found]
    said = f"the domain's answers differ from legacy's: {_listed(named)}"
    return Gate(name="mismatches", outcome=Outcome.FAILED, said=said, figures=figures)


def _comparisons(evidence: Evidence, plan: Plan) -> Gate:
    made, needed = evidence.compared, plan.min_comparisons
    noise = evidence.domain.counts["noise"] + evidence.legacy.counts["noise"]
    said = f"{made} of at least {needed} answers compared"
    if noise:
        said += f", and {noise} while the data moved, which proves nothing"
    figures = {"compared": made, "needed": needed, "noise": noise}
    return _counted("comparisons", evidence, made, needed, said, figures)


def _coverage(evidence: Evidence) -> Gate:
    missing, excused = evidence.branches_missing, evidence.branches_excused
    taken = len(evidence.branches)
    if missing:
        said = f"never in an answer that was compared: {_listed(missing)}"
    else:
        said = "every branch of the contract was compared"
    if excused:
        said += f"; excused: {_listed(sorted(excused))}"
    figures = {"taken": taken, "missing": list(missing), "excused": sorted(excused)}
    return Gate(name="coverage", outcome=_passed_if(not missing), said=said, figures=figures)


def _latency(evidence: Evidence) -> Gate:
    """The P95 that was measured has to be within the limits; clearly beyond them fails."""
    domain = evidence.domain.latency
    legacy, source = _reference(evidence)
    figures = {
        "domain_p95_ms": domain.p95_ms,
        "domain_runs": domain.count,
        "legacy_p95_ms": legacy.p95_ms,
        "legacy_runs": legacy.count,
        "legacy_from": source,
        "limit_ms": P95_LIMIT_MS,
        "limit_ratio": LATE_RATIO,
    }
    said = f"P95 {_in_ms(domain)}, legacy's {_in_ms(legacy)} ({source})"
    fewest = min(domain.count, legacy.count)
    if _clearly_slow(domain, legacy):
        outcome = Outcome.FAILED
        said += f": over {P95_LIMIT_MS:g} ms, or {LATE_RATIO:g} times legacy's"
    elif fewest < LATENCY_SAMPLE:
        outcome = Outcome.INCONCLUSIVE
        whose = "domain" if domain.count == fewest else "legacy"
        said += f": {LATENCY_SAMPLE} runs of each are needed, {whose} has {fewest}"
    elif _within(domain, legacy):
        outcome = Outcome.PASSED
    else:
        outcome = Outcome.INCONCLUSIVE
        said += f": perhaps over {P95_LIMIT_MS:g} ms, or {LATE_RATIO:g} times legacy's"
    wait = _wait(evidence, fewest, LATENCY_SAMPLE) if fewest < LATENCY_SAMPLE else None
    return Gate(name="latency", outcome=outcome, said=said, figures=figures, eta=wait)


def _reference(evidence: Evidence) -> tuple[Latency, str]:
    """Legacy's latency: of its own clients, else of the runs that answers were compared with."""
    own, shadow = evidence.legacy.latency, evidence.legacy.shadow
    if own.count >= LATENCY_SAMPLE or own.count >= shadow.count:
        return own, "its own requests"
    return shadow, "runs to compare with"


def _within(domain: Latency, legacy: Latency) -> bool:
    assert domain.p95_ms is not None
    assert legacy.p95_ms is not None
    return domain.p95_ms <= min(P95_LIMIT_MS, LATE_RATIO * legacy.p95_ms)


def _clearly_slow(domain: Latency, legacy: Latency) -> bool:
    """Whether no chance explains that the P95 is over a limit."""
    low, high = domain.p95_low_ms, legacy.p95_high_ms
    if low is None or domain.count < LATENCY_SAMPLE:
        return False
    return low > P95_LIMIT_MS or (high is not None and low > LATE_RATIO * high)


def _in_ms(latency: Latency) -> str:
    return "unknown" if latency.p95_ms is None else f"{latency.p95_ms:.3g} ms"


def _counted(
    name: str, evidence: Evidence, have: int, need: int, said: str, figures: Mapping[str, Any]
) -> Gate:
    """A gate that opens when enough was counted."""
    return Gate(
        name=name,
        outcome=_passed_if(have >= need),
        said=said,
        figures=figures,
        eta=_wait(evidence, have, need),
    )


def _wait(evidence: Evidence, have: float, need: float) -> float | None:
    """Seconds until there is as much as is needed, at the rate of the window."""
    if have >= need:
        return 0.0
    if have <= 0 or evidence.seconds <= 0:
        return None
    return (need - have) * evidence.seconds / have


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
