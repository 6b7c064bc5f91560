"""The guard's alarms in sentences for operators; pure."""

from collections.abc import Mapping, Sequence

from detection_api.canary.guard import Alarm, Signal
from detection_api.canary.state import Mismatch

_BAD: Mapping[Signal, str] = {
    Signal.FAILING: "requests failed",
    Signal.ERRING: "requests failed",
    Signal.SLOW: "requests were slow",
    Signal.WORSE: "requests failed",
    Signal.SLOWER: "requests were slower than legacy's",
    Signal.DIFFERING: "compared answers differ from legacy's",
}


def reason_of(alarm: Alarm) -> str:
    """Return the reason of an alarm: "failing: 7 of the domain's last 9 requests failed"."""
    totals = alarm.evidence["totals"]
    bad, good = (int(totals.get(name, totals.get(f"domain_{name}"))) for name in ("bad", "good"))
    reason = f"{alarm.signal.value}: {bad} of the domain's last {bad + good} {_BAD[alarm.signal]}"
    if "legacy_bad" in totals:
        legacy_bad = int(totals["legacy_bad"])
        reason += f", beside {legacy_bad} of legacy's {legacy_bad + int(totals['legacy_good'])}"
    return reason


def hold_reason(mismatches: Sequence[Mismatch]) -> str:
    """Return why an endpoint with these mismatches is held."""
    first, *others = mismatches
    more = f" and at {len(others)} more" if others else ""
    name = Signal.DIFFERING.value
    return f"{name}: the domain's answer differs at {first.path} ({first.kind}){more}"


def with_pin(reason: str, variable: str | None) -> str:
    """Return the reason of a rollback; it names the variable that pins the endpoint's percent."""
    if variable is None:
        return reason
    return f"{reason}; {variable} pins its percentage, which does not apply until a resume"
