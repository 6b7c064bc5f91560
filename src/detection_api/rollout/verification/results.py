"""The results of a verification, and the verdicts that follow; pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from detection_api.canary.comparison import Difference, redacted
from detection_api.canary.guard import LATE_RATIO
from detection_api.rollout.gates import LIMIT_MS

UNFELT_MS = 50.0
"""The ratio does not count up to here: no client notices, and a busy machine may cause it."""


class CaseVerdict(Enum):
    """The verdict on an endpoint."""

    PASSED = "passed"
    """The arms agree, and some answers had data."""
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    """No difference was found, but no answer had data, or the data always moved."""


class Ending(Enum):
    """The result of a case."""

    EQUAL = "equal"
    ACCEPTED = "accepted"
    """All differences are accepted."""
    MOVING = "moving"
    """The data changed between all comparisons, so the case proves nothing."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """The result of one request to both arms.

    `findings` say why it failed, or why its differences are accepted.
    """

    case: str
    url: str
    ending: Ending
    has_data: bool
    legacy_status: int
    domain_status: int
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Percentiles of an arm's times in ms; None if it never answered."""

    count: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointResult:
    """The result of one endpoint.

    `findings` say why it did not pass. `unexercised` are the branches of the contract that no
    agreeing answers took.
    """

    endpoint: str
    verdict: CaseVerdict
    findings: tuple[str, ...]
    cases: tuple[CaseResult, ...]
    legacy: Times
    domain: Times
    unexercised: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The results of all endpoints of the instance at `base`."""

    base: str
    endpoints: tuple[EndpointResult, ...]

    @property
    def passed(self) -> bool:
        """Whether there is an endpoint and every endpoint passed."""
        return bool(self.endpoints) and all(
            endpoint.verdict is CaseVerdict.PASSED for endpoint in self.endpoints
        )

    def evidence(self, endpoint: str) -> dict[str, Any]:
        """Return a summary of an endpoint's result for an event, without its cases."""
        result = next(found for found in self.endpoints if found.endpoint == endpoint)
        return {
            "verdict": result.verdict.value,
            "findings": list(result.findings),
            "differs": any(case.ending is Ending.FAILED for case in result.cases),
            "cases": len(result.cases),
            "legacy_p95_ms": result.legacy.p95,
            "domain_p95_ms": result.domain.p95,
        }


def conclude(
    endpoint: str,
    cases: Sequence[CaseResult],
    legacy: Times,
    domain: Times,
    unexercised: Iterable[str],
    *,
    max_ratio: float = LATE_RATIO,
) -> EndpointResult:
    """Return the result that follows from cases and times; `slowness` describes `max_ratio`."""
    failed = (case for case in cases if case.ending is Ending.FAILED)
    findings = [f"{case.case}: {finding}" for case in failed for finding in case.findings]
    findings += slowness(legacy, domain, max_ratio)
    verdict = CaseVerdict.FAILED if findings else CaseVerdict.PASSED
    if verdict is CaseVerdict.PASSED and (gap := _gap(cases)):
        verdict, findings = CaseVerdict.INCONCLUSIVE, [gap]
    return EndpointResult(
        endpoint=endpoint,
        verdict=verdict,
        findings=tuple(findings),
        cases=tuple(cases),
        legacy=legacy,
        domain=domain,
        unexercised=tuple(sorted(unexercised)),
    )


def _gap(cases: Sequence[CaseResult]) -> str | None:
    """Return why cases without a failure prove nothing; None if they prove agreement."""
    filled = [case for case in cases if case.has_data]
    if not filled:
        return "no answer had data in it"
    if all(case.ending is Ending.MOVING for case in filled):
        return "the data changed whenever it was compared"
    return None


def times_of(samples: Iterable[float]) -> Times:
    """Return the percentiles of `samples` (ms), by nearest rank."""
    ordered = sorted(samples)
    return Times(count=len(ordered), p50=_rank(ordered, 50), p95=_rank(ordered, 95))


def _rank(ordered: Sequence[float], percent: int) -> float | None:
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else None


def slowness(legacy: Times, domain: Times, max_ratio: float = LATE_RATIO) -> list[str]:
    """Return why the domain is too slow; empty if it is fast enough.

    `max_ratio` is the most times that the domain may take longer than legacy; inf for no limit.
    """
    if domain.p95 is None:
        return []
    found = []
    if domain.p95 > LIMIT_MS:
        found.append(f"domain: P95 {domain.p95:.0f} ms, more than {LIMIT_MS:g}")
    if legacy.p95 is not None and domain.p95 > max(UNFELT_MS, max_ratio * legacy.p95):
        found.append(
            f"domain: P95 {domain.p95:.0f} ms, more than {max_ratio:g} times"
            f" legacy's {legacy.p95:.0f}"
        )
    return found


def described(difference: Difference) -> str:
    """Return a difference in one line, with values redacted."""
    ours, theirs = redacted(difference.reference), redacted(difference.candidate)
    times = f", {difference.count} times" if difference.count > 1 else ""
    return f"{difference.path} {difference.kind.value}: legacy {ours}, domain {theirs}{times}"
