"""What a verification found, and what follows from it; pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from detection_api.canary.comparison import Difference, redacted
from detection_api.canary.guard import LATE_RATIO
from detection_api.rollout.gates import LIMIT_MS

UNFELT_MS = 50.0
"""Up to here the ratio does not matter: no client feels it, and a busy machine makes it up."""


class CaseVerdict(Enum):
    """What follows for an endpoint."""

    PASSED = "passed"
    """The arms were shown to agree, with data."""
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    """Nothing was found wrong, and nothing was shown: no answer had data, or it always moved."""


class Ending(Enum):
    """What came of a case."""

    EQUAL = "equal"
    ACCEPTED = "accepted"
    """The answers differ as somebody has accepted."""
    MOVING = "moving"
    """The data changed at every look: nothing is shown."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What came of one request to both arms; `findings` are why it failed, or what is accepted."""

    case: str
    url: str
    ending: Ending
    has_data: bool
    legacy_status: int
    domain_status: int
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long an arm took, in ms; None where it never answered."""

    count: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointResult:
    """What a verification found of one endpoint.

    `findings` are the lines that tell why it did not pass; `unexercised` the branches of the
    contract that no answer took in which the arms agreed.
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
    """What a verification of the instance at `base` found."""

    base: str
    endpoints: tuple[EndpointResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every endpoint passed, and there was one."""
        return bool(self.endpoints) and all(
            endpoint.verdict is CaseVerdict.PASSED for endpoint in self.endpoints
        )

    def evidence(self, endpoint: str) -> dict[str, Any]:
        """What an event about `endpoint` holds: enough to see why, not every case."""
        result = next(found for found in self.endpoints if found.endpoint == endpoint)
        return {
            "verdict": result.verdict.value,
            "findings": list(result.findings),
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
    """What follows from an endpoint's cases and times; of `max_ratio` see `slowness`."""
    failed = (case for case in cases if case.ending is Ending.FAILED)
    findings = [f"{case.case}: {said}" for case in failed for said in case.findings]
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
    """What is missing before these cases, none of which failed, show anything."""
    filled = [case for case in cases if case.has_data]
    if not filled:
        return "no answer had data in it"
    if all(case.ending is Ending.MOVING for case in filled):
        return "the data changed whenever it was compared"
    return None


def times_of(samples: Iterable[float]) -> Times:
    """Percentiles, by nearest rank."""
    ordered = sorted(samples)
    return Times(count=len(ordered), p50=_rank(ordered, 50), p95=_rank(ordered, 95))


def _rank(ordered: Sequence[float], percent: int) -> float | None:
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else None


def slowness(legacy: Times, domain: Times, max_ratio: float = LATE_RATIO) -> list[str]:
    """In which ways the domain takes too long; `max_ratio` is inf where it may exceed legacy."""
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
    """A difference in a line that shows no data."""
    ours, theirs = redacted(difference.reference), redacted(difference.candidate)
    times = f", {difference.count} times" if difference.count > 1 else ""
    return f"{difference.path} {difference.kind.value}: legacy {ours}, domain {theirs}{times}"
