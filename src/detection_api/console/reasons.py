"""The reasons of events in the reader's language.

The store keeps reasons in English. A translation of a reason that the system made is built from the
event's evidence; what operators wrote stays as it is.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from detection_api.canary.state import EventKind, RolloutEvent
from detection_api.console import language
from detection_api.rollout.gates import GateOutcome
from detection_api.web.translations import load

Evidence = Mapping[str, Any]
Words = Mapping[str, str]


def reason_of(event: RolloutEvent) -> str:
    """Return why an event happened, translated if the system made the reason."""
    words = _words(language.current())
    if words is None:
        return event.reason
    if "signal" in event.evidence:
        return _of_alarm(event.evidence, words)
    make = _MAKERS.get(event.kind)
    try:
        return (make and make(event, words)) or event.reason
    except (KeyError, TypeError):  # the event of an older version, or of an operator
        return event.reason


def translated(reason: str, events: Iterable[RolloutEvent]) -> str:
    """Return the reason of a state in the reader's language, if one of `events` has set it."""
    return next((reason_of(event) for event in events if event.reason == reason), reason)


def _words(code: str) -> Words | None:
    """Return the words for reasons in a language; None for English, the language of the store."""
    return None if code == "en" else load("detection_api.console", f"reasons.{code}")


def _of_alarm(evidence: Evidence, words: Words) -> str:
    totals = evidence["totals"]
    bad, good = (int(totals.get(name, totals.get(f"domain_{name}"))) for name in ("bad", "good"))
    text = words[f"signal_{evidence['signal']}"].format(bad=bad, all=bad + good)
    if "legacy_bad" in totals:
        bad, good = int(totals["legacy_bad"]), int(totals["legacy_good"])
        text += words["beside_legacy"].format(bad=bad, all=bad + good)
    return text


def _of_stage(event: RolloutEvent, words: Words) -> str:
    return words[event.kind.value].format(stage=event.evidence["stage"])


def _of_failure(event: RolloutEvent, words: Words) -> str:
    gates = [
        words[f"gate_{gate['name']}"]
        for gate in event.evidence["gates"]
        if gate["outcome"] == GateOutcome.FAILED.value
    ]
    return _of_stage(event, words) + words["because"] + words["and"].join(gates)


def _of_leaving(event: RolloutEvent, words: Words) -> str:
    percent = f"{event.evidence['percent']:g}"
    return words[f"left_{event.evidence['cause']}"].format(percent=percent)


def _of_end(event: RolloutEvent, words: Words) -> str:
    completion = event.evidence["completion"]
    return words[f"end_{completion}"] if event.reason == completion else event.reason


_MAKERS: Mapping[EventKind, Callable[[RolloutEvent, Words], str]] = {
    EventKind.STAGE: _of_stage,
    EventKind.PASS: _of_stage,
    EventKind.FAIL: _of_failure,
    EventKind.LEAVE: _of_leaving,
    EventKind.END: _of_end,
}
