"""Judge by the evidence, gate by gate, whether an endpoint may pass its stage; pure.

No evidence is not good evidence: a gate without enough evidence is inconclusive, never passed, and
says what is missing. A gate fails as soon as the domain is clearly wrong.
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
from detection_api.rollout.bound import percent_bound
from detection_api.rollout.gates.evidence import Evidence
from detection_api.rollout.gates.latency import latency
from detection_api.rollout.gates.outcome import Gate, GateOutcome, combine, passed_if, wait
from detection_api.rollout.run import Plan
from detection_api.rollout.text import span

MIN_TIMEOUTS = 7
"""The domain fails when at least this many comparisons timed out and they are more than
MAX_FAILURE_SHARE of all, as in the guard's signal `failing`."""
MAX_NAMES = 5
"""A message names at most this many branches or mismatches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The result of verifying an endpoint at one instance. `evidence` has only JSON's types."""

    url: str
    outcome: GateOutcome
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


def judge(evidence: Evidence, plan: Plan) -> tuple[Gate, ...]:
    """Return every gate except the verification, which needs requests: see `verification`."""
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
    """Return the gate that passes if every instance of the plan was verified."""
    if not plan.verify_urls:
        message = "no instance to verify: see --verify-url"
        if plan.without_verification:
            message = "not verified, as the operator wanted"
        outcome = passed_if(plan.without_verification)
        return Gate(name="verification", outcome=outcome, message=message)
    results = list(verified)
    return Gate(
        name="verification",
        outcome=combine(each.outcome for each in results),
        message="; ".join(f"{each.url}: {each.message}" for each in results),
        figures={each.url: each.evidence for each in results},
    )


def _bake(evidence: Evidence, plan: Plan) -> Gate:
    left = max(0.0, plan.bake - evidence.seconds)
    message = f"baked {span(evidence.seconds)} of {span(plan.bake)}"
    figures = {"seconds": round(evidence.seconds, 1), "needed": plan.bake}
    return Gate(
        name="bake", outcome=passed_if(left == 0), message=message, figures=figures, eta=left
    )


def _workers(evidence: Evidence) -> Gate:
    behind = [worker.worker for worker in evidence.workers if not worker.applies]
    figures = {"workers": len(evidence.workers), "behind": len(behind)}
    if not evidence.workers:
        message = "no worker has reported within the last minute"
    elif behind:
        message = f"not applied yet by {_listed(behind)}"
    else:
        message = f"applied by all {len(evidence.workers)} workers"
    passes = bool(evidence.workers) and not behind
    return Gate(name="workers", outcome=passed_if(passes), message=message, figures=figures)


def _traffic(evidence: Evidence, plan: Plan) -> Gate:
    """Return whether the domain answered enough requests; forced requests prove nothing."""
    domain, legacy = evidence.domain, evidence.legacy
    forced = domain.counts["forced"] + legacy.counts["forced"]
    message = f"the domain answered {domain.judged} of at least {plan.min_requests} requests"
    if not domain.judged and legacy.judged:
        message += (
            f", legacy {legacy.judged}: none of these clients is in the {evidence.percent:g}%,"
            " or the workers' environment keeps them from the domain"
        )
    elif not domain.judged and forced:
        message += f": {forced} were forced, which proves nothing"
    elif not domain.judged:
        message += ": there is no traffic"
    figures = {
        "requests": domain.judged,
        "needed": plan.min_requests,
        "legacy": legacy.judged,
        "forced": forced,
    }
    return _counted("traffic", evidence, domain.judged, plan.min_requests, message, figures)


def _guard(evidence: Evidence) -> Gate:
    """See "Permission to advance" in guard.md."""
    guard, counts = evidence.guard, evidence.domain.counts
    on = [signal for signal in guard.on if not _is_excused(evidence, signal)]
    figures = {
        "points": guard.points,
        "needed": ADVANCE_POINTS,
        "good": counts["good"],
        "bad": counts["bad"],
        "on": list(guard.on),
    }
    bound = percent_bound(counts["bad"], evidence.domain.judged)
    figures |= {} if bound is None else {"bound": bound}
    message = f"{counts['bad']} of the domain's {evidence.domain.judged} requests failed"
    message += f", {guard.points} of {ADVANCE_POINTS} points to advance"
    verdict = severest(Signal(signal) for signal in on)
    if on:
        message += f"; {' and '.join(on)}: the guard says {verdict.value}"
    if verdict is Verdict.ROLLBACK:
        return Gate(name="guard", outcome=GateOutcome.FAILED, message=message, figures=figures)
    return Gate(
        name="guard",
        outcome=passed_if(may_advance(counts["good"], counts["bad"], verdict)),
        message=message,
        figures=figures,
        eta=None if on else wait(evidence, guard.points, ADVANCE_POINTS),
    )


def _is_excused(evidence: Evidence, signal: str) -> bool:
    """Return whether an accepted difference excuses a signal of the guard."""
    return signal == Signal.SLOWER.value and evidence.latency_excused is not None


def _mismatches(evidence: Evidence) -> Gate:
    """Return the gate that fails at the first unaccepted difference."""
    unaccepted = evidence.unaccepted
    accepted = sum(differing.accepted for differing in evidence.mismatches)
    figures = {"unaccepted": sum(d.count for d in unaccepted), "accepted": accepted}
    if not unaccepted:
        message = "none" + (f", except {accepted} accepted" if accepted else "")
        return Gate(name="mismatches", outcome=GateOutcome.PASSED, message=message, figures=figures)
    named = [f"{d.path} {d.kind} ({d.count})" for d in unaccepted]
    message = f"the domain's answers differ from legacy's: {_listed(named)}"
    return Gate(name="mismatches", outcome=GateOutcome.FAILED, message=message, figures=figures)


def _comparisons(evidence: Evidence, plan: Plan) -> Gate:
    """Return whether enough answers were compared.

    Comparisons of moving data and timeouts do not count. Each timeout raises the number needed, as
    in the guard: a busy machine causes timeouts, too.
    """
    timeouts = evidence.timeouts
    made, needed = evidence.compared - timeouts, plan.comparisons
    noise = evidence.domain.counts["noise"] + evidence.legacy.counts["noise"]
    message = f"{made} of at least {needed} answers compared"
    if noise:
        message += f"; {noise} more do not count because the data moved"
    if timeouts:
        message += f"; {timeouts} timed out"
        needed = max(needed, ADVANCE_COST * timeouts)
    if plan.min_comparisons is not None:
        message += "; --min-comparisons overrides what --max-wrong needs"
    figures: dict[str, float] = {
        "compared": made,
        "needed": needed,
        "noise": noise,
        "timeouts": timeouts,
    }
    bound = percent_bound(min(made, sum(d.count for d in evidence.unaccepted)), made)
    figures |= {} if bound is None else {"bound": bound}
    if timeouts >= MIN_TIMEOUTS and timeouts > MAX_FAILURE_SHARE * (made + timeouts):
        return Gate(
            name="comparisons", outcome=GateOutcome.FAILED, message=message, figures=figures
        )
    return _counted("comparisons", evidence, made, needed, message, figures)


def _coverage(evidence: Evidence) -> Gate:
    missing, excused = evidence.branches_missing, evidence.branches_excused
    taken = len(evidence.branches)
    if missing:
        message = f"no compared answer took {_listed(missing)}"
    else:
        message = "compared answers took every branch of the contract"
    if excused:
        message += f"; excused: {_listed(sorted(excused))}"
    figures = {"taken": taken, "missing": list(missing), "excused": sorted(excused)}
    return Gate(name="coverage", outcome=passed_if(not missing), message=message, figures=figures)


def _counted(
    name: str, evidence: Evidence, have: int, need: int, message: str, figures: Mapping[str, Any]
) -> Gate:
    """Return a gate that passes when `have` reaches `need`."""
    return Gate(
        name=name,
        outcome=passed_if(have >= need),
        message=message,
        figures=figures,
        eta=wait(evidence, have, need),
    )


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {rest} more" if rest > 0 else "")
