"""Assess whether an endpoint's legacy may be deleted, by criteria on the record; pure.

No evidence is not good evidence: missing counts in the ledger and missing requests count against
deletion.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from detection_api.canary.state import AcceptedDifference, Arm, Mismatch, Status, Tally, Usage
from detection_api.rollout.retirement.exposure import EVERYTHING, Exposure, full_since

QUIET = timedelta(days=7)
"""Time that an endpoint must be at 100% without a failure; it includes every weekday."""
MIN_REQUESTS = 1_000
"""This many answers without a failure bound the failure rate to 0.3% (95% confidence: 3/n)."""
MIN_COMPARED = 100
"""This many comparisons without a mismatch bound its rate to 3%, by the same rule."""


class Criterion(Enum):
    """A criterion that must be met before legacy is deleted."""

    FULL = "full"
    """By the audit, at 100% for QUIET without a break; no percentage is pinned."""
    LEDGER = "ledger"
    """The ledger is kept for at least QUIET; forgotten counts prove nothing."""
    TRAFFIC = "traffic"
    """The domain answered at least MIN_REQUESTS within QUIET, without forced requests."""
    FAILURES = "failures"
    """The domain had no failure within QUIET, in forced requests either: no fallback is left."""
    SILENCE = "silence"
    """Legacy answered no request within QUIET, except forced ones."""
    MISMATCHES = "mismatches"
    """No unaccepted mismatch was seen within QUIET."""
    COMPARED = "compared"
    """At least MIN_COMPARED answers were compared within QUIET."""
    BRANCHES = "branches"
    """Comparisons have taken every branch of the contract."""
    ACCEPTED = "accepted"
    """No accepted difference in use expires within QUIET; decide about it first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The result of a criterion; `until` is when it will be met if nothing happens, or None."""

    criterion: Criterion
    met: bool
    finding: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastAnswer:
    """The 10 seconds in which legacy answered last, and the reason in the record."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRecord:
    """The record of an endpoint; `usage` and `recent` (within QUIET) are by arm."""

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
        """Return an arm's counts within QUIET."""
        usage = self.recent.get(arm.value)
        return usage.tally if usage else Tally()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The results of all criteria for one endpoint."""

    full_since: datetime | None
    full_days: float
    last_legacy_answer: LastAnswer | None
    checks: tuple[Check, ...] = field(default_factory=tuple)

    @property
    def missing(self) -> tuple[Check, ...]:
        """The criteria that are not met."""
        return tuple(check for check in self.checks if not check.met)


def assess(record: EndpointRecord) -> Assessment:
    """Assess one endpoint; its legacy may be deleted if nothing is missing."""
    since = full_since(list(record.exposures))
    return Assessment(
        full_since=since,
        full_days=(record.now - since).total_seconds() / 86_400 if since else 0.0,
        last_legacy_answer=_last_answer(record, forced=True),
        checks=(
            _full(record, since),
            _ledger(record),
            _traffic(record),
            _failures(record),
            _silence(record),
            _mismatches(record),
            _compared(record),
            _branches(record),
            _accepted(record),
        ),
    )


def _full(record: EndpointRecord, since: datetime | None) -> Check:
    if record.pinned is not None:
        finding = f"pinned to {record.pinned:g}% by the environment, which the audit does not see"
        return Check(criterion=Criterion.FULL, met=False, finding=finding)
    if since is None:
        percent = record.exposures[-1].percent if record.exposures else 0
        finding = f"at {percent:g}% now"
        return Check(criterion=Criterion.FULL, met=False, finding=finding)
    days = (record.now - since) / timedelta(days=1)
    return Check(
        criterion=Criterion.FULL,
        met=record.now - since >= QUIET,
        finding=f"{days:.1f} of {QUIET.days} days at 100%",
        until=since + QUIET,
    )


def _ledger(record: EndpointRecord) -> Check:
    return Check(
        criterion=Criterion.LEDGER,
        met=record.retention >= QUIET,
        finding=f"the ledger is kept for {record.retention / timedelta(days=1):g} days",
    )


def _traffic(record: EndpointRecord) -> Check:
    domain = record.tally(Arm.DOMAIN)
    count = domain.requests - domain.forced
    return Check(
        criterion=Criterion.TRAFFIC,
        met=count >= MIN_REQUESTS,
        finding=f"{count:,} of {MIN_REQUESTS:,} requests to the domain in {QUIET.days} days",
    )


def _failures(record: EndpointRecord) -> Check:
    domain = record.tally(Arm.DOMAIN)
    counts = {**domain.failures, "outage": domain.outages}
    found = ", ".join(f"{count:,} {cause}" for cause, count in counts.items() if count)
    fell_back = record.recent.get(Arm.LEGACY.value)
    last = fell_back.fell_back_at if fell_back else None
    return Check(
        criterion=Criterion.FAILURES,
        met=not found,
        finding=f"the domain's failures in {QUIET.days} days: {found or 'none'}",
        until=last + QUIET if last and found else None,
    )


def _silence(record: EndpointRecord) -> Check:
    last = _last_answer(record, forced=False)
    quiet = last is None or record.now - last.at >= QUIET
    if last is None:
        finding = "no answer of legacy in the ledger, except forced ones"
    else:
        finding = f"legacy answered {(record.now - last.at) / timedelta(days=1):.1f} days ago"
        finding += f": {last.reason}"
    until = last.at + QUIET if last and not quiet else None
    return Check(criterion=Criterion.SILENCE, met=quiet, finding=finding, until=until)


def _mismatches(record: EndpointRecord) -> Check:
    recent = [m for m in record.mismatches if m.count and record.now - m.last_seen < QUIET]
    places = ", ".join(f"{m.path} ({m.kind})" for m in recent)
    return Check(
        criterion=Criterion.MISMATCHES,
        met=not recent,
        finding=f"unexplained mismatches seen in {QUIET.days} days: {places or 'none'}",
        until=max((m.last_seen + QUIET for m in recent), default=None),
    )


def _compared(record: EndpointRecord) -> Check:
    count = sum(record.tally(arm).compared for arm in Arm)
    return Check(
        criterion=Criterion.COMPARED,
        met=count >= MIN_COMPARED,
        finding=f"{count:,} of {MIN_COMPARED:,} comparisons in {QUIET.days} days",
    )


def _branches(record: EndpointRecord) -> Check:
    never = ", ".join(sorted(record.missing_branches))
    return Check(
        criterion=Criterion.BRANCHES,
        met=not never,
        finding=f"branches that no comparison has met: {never or 'none'}",
    )


def _accepted(record: EndpointRecord) -> Check:
    ending = [
        d
        for d in record.accepted
        if d.last_used_at
        and record.now - d.last_used_at < QUIET
        and d.expires_at - record.now < QUIET
    ]
    found = ", ".join(f"{d.id} at {d.path} on {d.expires_at:%Y-%m-%d}" for d in ending)
    return Check(
        criterion=Criterion.ACCEPTED,
        met=not ending,
        finding=f"accepted differences in use that end within {QUIET.days} days: {found or 'none'}",
    )


def _last_answer(record: EndpointRecord, *, forced: bool) -> LastAnswer | None:
    """Return legacy's last answer in the ledger; also a forced answer if `forced`."""
    usage = record.usage.get(Arm.LEGACY.value)
    if usage is None:
        return None
    found = []
    if forced and usage.forced_at:
        found.append((usage.forced_at, "a client forced it"))
    if usage.decided_at:
        found.append((usage.decided_at, _why_decided(record.exposures, usage.decided_at)))
    if usage.fell_back_at:
        found.append((usage.fell_back_at, "fallback: the domain failed"))
    at, reason = max(found, key=lambda answer: answer[0], default=(None, ""))
    return LastAnswer(at=at, reason=reason) if at else None


def _why_decided(exposures: Sequence[Exposure], at: datetime) -> str:
    before = [e for e in exposures if e.event.at and e.event.at <= at]
    if not before or before[-1].percent < EVERYTHING:
        rolled_back = before and before[-1].state.status is Status.ROLLED_BACK
        return "rolled back" if rolled_back else "holdout: not at 100% at that time"
    return "kill switch, pinned percentage or lost store: the ledger does not say which"
