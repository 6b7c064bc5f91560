"""Whether an endpoint's legacy may be deleted: what is asked for, and what the record says; pure.

No evidence is not good evidence: what the ledger does not reach back to, or what nobody asked,
counts against it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from detection_api.canary.state import AcceptedDifference, Arm, Mismatch, Status, Tally, Usage
from detection_api.rollout.retirement.exposure import EVERYTHING, Exposure, full_since

QUIET = timedelta(days=7)
"""For so long an endpoint has to be at 100% and without a fault: every weekday once."""
MIN_REQUESTS = 1_000
"""So many answers without a failure bound the failure rate to 0.3% (95% confidence: 3/n)."""
MIN_COMPARED = 100
"""So many comparisons without a mismatch bound its rate to 3%, by the same rule."""


class Criterion(Enum):
    """What has to be so before legacy goes."""

    FULL = "full"
    """100% for QUIET, by the audit, without a break and without a pinned percentage."""
    LEDGER = "ledger"
    """The ledger is kept for at least QUIET: what it forgot earlier proves nothing."""
    TRAFFIC = "traffic"
    """The domain answered MIN_REQUESTS within QUIET that no client forced."""
    FAILURES = "failures"
    """It failed none of them, forced ones included: there is nobody to fall back to soon."""
    SILENCE = "silence"
    """Legacy answered none within QUIET, but for requests that a client forced."""
    MISMATCHES = "mismatches"
    """No unaccepted mismatch was seen within QUIET."""
    COMPARED = "compared"
    """MIN_COMPARED answers were compared within QUIET."""
    BRANCHES = "branches"
    """Every branch of the contract was met by a comparison, ever."""
    ACCEPTED = "accepted"
    """No accepted difference that was needed within QUIET ends within QUIET: decide first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was found of a criterion; `until` is when it is met if nothing happens, if known."""

    criterion: Criterion
    met: bool
    finding: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastAnswer:
    """The 10 seconds in which legacy answered last, and why, as far as the record tells."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessmentInput:
    """What the record says of an endpoint; `usage` and `recent` (of QUIET) are by arm."""

    now: datetime
    exposures: Sequence[Exposure]
    usage: Mapping[str, Usage]
    recent: Mapping[str, Usage]
    mismatches: Sequence[Mismatch]
    accepted: Sequence[AcceptedDifference]
    missing_branches: Collection[str]
    retention: timedelta
    pinned: float | None = None

    def tally(self, arm: Arm) -> Tally:
        """An arm's counts within QUIET."""
        usage = self.recent.get(arm.value)
        return usage.tally if usage else Tally()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """Whether the legacy of an endpoint may go, and why not."""

    full_since: datetime | None
    full_days: float
    last_legacy_answer: LastAnswer | None
    checks: tuple[Check, ...] = field(default_factory=tuple)

    @property
    def missing(self) -> tuple[Check, ...]:
        """What is not so yet."""
        return tuple(check for check in self.checks if not check.met)


def assess(facts: AssessmentInput) -> Assessment:
    """See the module."""
    since = full_since(list(facts.exposures))
    return Assessment(
        full_since=since,
        full_days=(facts.now - since).total_seconds() / 86_400 if since else 0.0,
        last_legacy_answer=_last_answer(facts, forced=True),
        checks=(
            _full(facts, since),
            _ledger(facts),
            _traffic(facts),
            _failures(facts),
            _silence(facts),
            _mismatches(facts),
            _compared(facts),
            _branches(facts),
            _accepted(facts),
        ),
    )


def _full(facts: AssessmentInput, since: datetime | None) -> Check:
    if facts.pinned is not None:
        finding = f"pinned to {facts.pinned:g}% by the environment, which the audit does not see"
        return Check(criterion=Criterion.FULL, met=False, finding=finding)
    if since is None:
        percent = facts.exposures[-1].percent if facts.exposures else 0
        finding = f"at {percent:g}% now"
        return Check(criterion=Criterion.FULL, met=False, finding=finding)
    days = (facts.now - since) / timedelta(days=1)
    return Check(
        criterion=Criterion.FULL,
        met=facts.now - since >= QUIET,
        finding=f"{days:.1f} of {QUIET.days} days at 100%",
        until=since + QUIET,
    )


def _ledger(facts: AssessmentInput) -> Check:
    return Check(
        criterion=Criterion.LEDGER,
        met=facts.retention >= QUIET,
        finding=f"the ledger is kept for {facts.retention / timedelta(days=1):g} days",
    )


def _traffic(facts: AssessmentInput) -> Check:
    domain = facts.tally(Arm.DOMAIN)
    count = domain.requests - domain.forced
    return Check(
        criterion=Criterion.TRAFFIC,
        met=count >= MIN_REQUESTS,
        finding=f"{count:,} of {MIN_REQUESTS:,} requests to the domain in {QUIET.days} days",
    )


def _failures(facts: AssessmentInput) -> Check:
    domain = facts.tally(Arm.DOMAIN)
    counts = {**domain.failures, "outage": domain.outages}
    found = ", ".join(f"{count:,} {cause}" for cause, count in counts.items() if count)
    fell_back = facts.recent.get(Arm.LEGACY.value)
    last = fell_back.fell_back_at if fell_back else None
    return Check(
        criterion=Criterion.FAILURES,
        met=not found,
        finding=f"the domain's failures in {QUIET.days} days: {found or 'none'}",
        until=last + QUIET if last and found else None,
    )


def _silence(facts: AssessmentInput) -> Check:
    last = _last_answer(facts, forced=False)
    quiet = last is None or facts.now - last.at >= QUIET
    if last is None:
        finding = "no answer of legacy's in the ledger, but for forced ones"
    else:
        finding = f"legacy answered {(facts.now - last.at) / timedelta(days=1):.1f} days ago"
        finding += f": {last.reason}"
    until = last.at + QUIET if last and not quiet else None
    return Check(criterion=Criterion.SILENCE, met=quiet, finding=finding, until=until)


def _mismatches(facts: AssessmentInput) -> Check:
    recent = [m for m in facts.mismatches if m.count and facts.now - m.last_seen < QUIET]
    places = ", ".join(f"{m.path} ({m.kind})" for m in recent)
    return Check(
        criterion=Criterion.MISMATCHES,
        met=not recent,
        finding=f"unexplained mismatches seen in {QUIET.days} days: {places or 'none'}",
        until=max((m.last_seen + QUIET for m in recent), default=None),
    )


def _compared(facts: AssessmentInput) -> Check:
    count = sum(facts.tally(arm).compared for arm in Arm)
    return Check(
        criterion=Criterion.COMPARED,
        met=count >= MIN_COMPARED,
        finding=f"{count:,} of {MIN_COMPARED:,} comparisons in {QUIET.days} days",
    )


def _branches(facts: AssessmentInput) -> Check:
    never = ", ".join(sorted(facts.missing_branches))
    return Check(
        criterion=Criterion.BRANCHES,
        met=not never,
        finding=f"branches that no comparison has met: {never or 'none'}",
    )


def _accepted(facts: AssessmentInput) -> Check:
    ending = [
        d
        for d in facts.accepted
        if d.last_used_at
        and facts.now - d.last_used_at < QUIET
        and d.expires_at - facts.now < QUIET
    ]
    found = ", ".join(f"{d.id} at {d.path} on {d.expires_at:%Y-%m-%d}" for d in ending)
    return Check(
        criterion=Criterion.ACCEPTED,
        met=not ending,
        finding=f"accepted differences in use that end within {QUIET.days} days: {found or 'none'}",
    )


def _last_answer(facts: AssessmentInput, *, forced: bool) -> LastAnswer | None:
    """Legacy's last answer in the ledger; also one that a client `forced`, where that counts."""
    usage = facts.usage.get(Arm.LEGACY.value)
    if usage is None:
        return None
    found = []
    if forced and usage.forced_at:
        found.append((usage.forced_at, "a client forced it"))
    if usage.decided_at:
        found.append((usage.decided_at, _why_decided(facts.exposures, usage.decided_at)))
    if usage.fell_back_at:
        found.append((usage.fell_back_at, "fallback: the domain had failed"))
    at, reason = max(found, key=lambda answer: answer[0], default=(None, ""))
    return LastAnswer(at=at, reason=reason) if at else None


def _why_decided(exposures: Sequence[Exposure], at: datetime) -> str:
    before = [e for e in exposures if e.event.at and e.event.at <= at]
    if not before or before[-1].percent < EVERYTHING:
        rolled_back = before and before[-1].state.status is Status.ROLLED_BACK
        return "rolled back" if rolled_back else "holdout: not at 100% then"
    return "kill switch, pinned percentage or lost store: the ledger does not tell which"
