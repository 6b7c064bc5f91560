"""Whether the evidence permits an endpoint to pass its stage; pure.

No evidence is not good evidence: a gate with too little to say is inconclusive, never passed, and
says what is missing. A gate fails where the domain is clearly wrong, as soon as that is clear.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from detection_api.canary.guard import (
    ADVANCE_COST,
    ADVANCE_POINTS,
    MAX_FAILURE_SHARE,
    Signal,
    Verdict,
    may_advance,
    severest,
)
from detection_api.rollout.gates.evidence import Evidence
from detection_api.rollout.gates.gate import Gate, GateOutcome, passed_if, wait, worst
from detection_api.rollout.gates.latency_gate import latency
from detection_api.rollout.run import Plan
from detection_api.rollout.text import span

MIN_TIMEOUTS = 7
"""The domain fails when at least this many comparisons timed out and they are more than
MAX_FAILURE_SHARE of all, as in the guard's signal `failing`."""
NAMED = 5
"""Branches and mismatches that a sentence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What the verification of an endpoint at one instance came to; `facts` are JSON's types."""

    url: str
    outcome: GateOutcome
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
        latency(evidence),
    )


def verification(plan: Plan, verified: Iterable[Verified]) -> Gate:
    """Whether every instance that is to be verified was: see `verifying.py`."""
    if not plan.verify_urls:
        said = "nobody was named to be verified: see --verify-url"
        if plan.without_verification:
            said = "not verified, as the operator wanted"
        outcome = passed_if(plan.without_verification)
        return Gate(name="verification", outcome=outcome, said=said)
    found = list(verified)
    return Gate(
        name="verification",
        outcome=worst(one.outcome for one in found),
        said="; ".join(f"{one.url}: {one.said}" for one in found),
        figures={one.url: one.facts for one in found},
    )


def _bake(evidence: Evidence, plan: Plan) -> Gate:
    left = max(0.0, plan.bake - evidence.seconds)
    said = f"baked {span(evidence.seconds)} of {span(plan.bake)}"
    figures = {"seconds": round(evidence.seconds, 1), "needed": plan.bake}
    return Gate(name="bake", outcome=passed_if(left == 0), said=said, figures=figures, eta=left)


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
    return Gate(name="workers", outcome=passed_if(passes), said=said, figures=figures)


def _traffic(evidence: Evidence, plan: Plan) -> Gate:
    """Whether enough requests of clients were the domain's: forced ones prove nothing."""
    domain, legacy = evidence.domain, evidence.legacy
    forced = domain.counts["forced"] + legacy.counts["forced"]
    said = f"the domain answered {domain.judged} of at least {plan.min_requests} requests"
    if not domain.judged and legacy.judged:
        said += (
            f", legacy {legacy.judged}: none of these clients is among the"
            f" {evidence.percent:g}%, or the workers' environment keeps them from the domain"
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
    on = [signal for signal in guard.on if not _is_excused(evidence, signal)]
    figures = {
        "points": guard.points,
        "needed": ADVANCE_POINTS,
        "good": counts["good"],
        "bad": counts["bad"],
        "on": list(guard.on),
    }
    said = f"{counts['bad']} of the domain's {evidence.domain.judged} requests failed"
    said += f", {guard.points} of {ADVANCE_POINTS} points to advance"
    verdict = severest(Signal(signal) for signal in on)
    if on:
        said += f"; {' and '.join(on)}: the guard says {verdict.value}"
    if verdict is Verdict.ROLLBACK:
        return Gate(name="guard", outcome=GateOutcome.FAILED, said=said, figures=figures)
    return Gate(
        name="guard",
        outcome=passed_if(may_advance(counts["good"], counts["bad"], verdict)),
        said=said,
        figures=figures,
        eta=None if on else wait(evidence, guard.points, ADVANCE_POINTS),
    )


def _is_excused(evidence: Evidence, signal: str) -> bool:
    """Whether an operator has accepted what a signal of the guard tells."""
    return signal == Signal.SLOWER.value and evidence.latency_excused is not None


def _mismatches(evidence: Evidence) -> Gate:
    """One answer that differs in a way that nobody has accepted is one too many."""
    found = evidence.unaccepted
    accepted = sum(differing.accepted for differing in evidence.mismatches)
    figures = {"unaccepted": sum(d.count for d in found), "accepted": accepted}
    if not found:
        said = "none" + (f", but {accepted} that are accepted" if accepted else "")
        return Gate(name="mismatches", outcome=GateOutcome.PASSED, said=said, figures=figures)
    named = [f"{d.path} {d.kind} ({d.count})" for d in found]
    said = f"the domain's answers differ from legacy's: {_listed(named)}"
    return Gate(name="mismatches", outcome=GateOutcome.FAILED, said=said, figures=figures)


def _comparisons(evidence: Evidence, plan: Plan) -> Gate:
    """Whether enough answers were compared: data that moved proves nothing, nor does a timeout.

    A busy machine has timeouts, so that each is held against the domain as the guard would.
    """
    timeouts = evidence.timeouts
    made, needed = evidence.compared - timeouts, plan.min_comparisons
    noise = evidence.domain.counts["noise"] + evidence.legacy.counts["noise"]
    said = f"{made} of at least {needed} answers compared"
    if noise:
        said += f", and {noise} while the data moved, which proves nothing"
    if timeouts:
        said += f", and {timeouts} in which the domain was too late"
        needed = max(needed, ADVANCE_COST * timeouts)
    figures = {"compared": made, "needed": needed, "noise": noise, "timeouts": timeouts}
    if timeouts >= MIN_TIMEOUTS and timeouts > MAX_FAILURE_SHARE * (made + timeouts):
        return Gate(name="comparisons", outcome=GateOutcome.FAILED, said=said, figures=figures)
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
    return Gate(name="coverage", outcome=passed_if(not missing), said=said, figures=figures)


def _counted(
    name: str, evidence: Evidence, have: int, need: int, said: str, figures: Mapping[str, Any]
) -> Gate:
    """A gate that opens when enough was counted."""
    return Gate(
        name=name,
        outcome=passed_if(have >= need),
        said=said,
        figures=figures,
        eta=wait(evidence, have, need),
    )


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
