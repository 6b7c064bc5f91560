"""What became of each endpoint, and why, in sentences; pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from detection_api.canary.store import Event, EventKind, Status
from detection_api.rollout.gate import Gate, Outcome
from detection_api.rollout.report.model import Number, Say, Tone, Unit, Value
from detection_api.rollout.report.record import Record, Stay
from detection_api.rollout.run import Cause, Phase

_GATES = frozenset(
    {
        "bake",
        "workers",
        "traffic",
        "guard",
        "mismatches",
        "comparisons",
        "coverage",
        "latency",
    }
)
"""Those that the languages have words for; others are quoted as they were recorded."""


def verdict(record: Record, endpoint: str) -> tuple[Say, Tone]:
    """What became of an endpoint, in a sentence."""
    progress = record.run.progress[endpoint]
    outcome = _outcome(record, endpoint)
    percent = Number(outcome["percent"], Unit.PERCENT)
    if progress.phase is Phase.DONE and outcome["status"] == Status.ROLLED_BACK.value:
        return Say("verdict.undone", {"reason": outcome["reason"]}), Tone.BAD
    if progress.phase is Phase.DONE:
        return Say("verdict.done", {"percent": percent}), Tone.GOOD
    if progress.phase is Phase.FAILED:
        at = Number(record.run.plan.percent(progress.stage), Unit.PERCENT)
        return Say("verdict.failed", {"at": at, "percent": percent}), Tone.BAD
    if progress.phase is Phase.LEFT and _cause(progress.event) == Cause.ROLLED_BACK.value:
        return Say("verdict.rolled_back", {"at": _percent_then(progress.event)}), Tone.BAD
    if progress.phase is Phase.LEFT:
        return Say("verdict.left", {"percent": percent}), Tone.WARN
    return Say("verdict.open", {"percent": percent}), Tone.WARN


def reasons(record: Record, endpoint: str) -> tuple[Say, ...]:
    """Why it did not pass; nothing where it did."""
    progress = record.run.progress[endpoint]
    event = progress.event
    if event is None or progress.phase in (Phase.DONE, Phase.WAITING, Phase.BAKING):
        return ()
    stays = [stay for stay in record.of(endpoint) if stay.decided == event]
    gates = stays[-1].gates if stays else ()
    if progress.phase is Phase.FAILED:
        failed = [gate for gate in gates if gate.outcome is Outcome.FAILED]
        return tuple(_failed(gate, stays[-1]) for gate in failed) or (_quoted(event),)
    return _left(event, gates)


def _failed(gate: Gate, stay: Stay) -> Say:
    """Why a gate failed, without what did not matter to it."""
    if gate.name == "mismatches" and stay.evidence:
        places = tuple(
            Say("difference", {"path": d.path, "kind": Say(f"kind.{d.kind}"), "n": Number(d.count)})
            for d in stay.evidence.unaccepted
        )
        return Say("gate.mismatches.failed", {"places": places})
    said = gate_said(gate)
    return Say(f"{said.key}.failed", said.facts) if gate.name == "guard" else said


def _cause(event: Event | None) -> str:
    return str(event.evidence.get("cause", "")) if event else ""


def _percent_then(event: Event | None) -> Number:
    return Number(event.evidence["percent"] if event else 0, Unit.PERCENT)


def _left(event: Event, gates: Sequence[Gate]) -> tuple[Say, ...]:
    cause = _cause(event)
    if cause == Cause.ROLLED_BACK.value:
        guard = [gate_said(gate) for gate in gates if gate.name == "guard"]
        counted = (Say(f"{said.key}.failed", said.facts) for said in guard)
        return (Say("cause.rolled_back", {"reason": event.reason}), *counted)
    if cause == Cause.PATIENCE.value:
        short = [gate.name for gate in gates if gate.outcome is Outcome.INCONCLUSIVE]
        names = tuple(Say(f"gate_name.{name}") for name in short)
        return (Say("cause.patience", {"gates": names}),)
    if cause in {each.value for each in Cause}:
        return (Say(f"cause.{cause}", {"reason": event.reason}),)
    return (_quoted(event),)


def _quoted(event: Event) -> Say:
    return Say("quoted", {"text": event.reason})


def gate_said(gate: Gate) -> Say:
    """What a gate came to, in a sentence of its figures."""
    if gate.name == "verification" and not gate.figures:
        return Say("gate.verification.none")
    if gate.name not in _GATES or not gate.figures:
        return Say("gate.other", {"name": gate.name, "text": gate.said})
    facts = {name: _figure(name, gate.name, figure) for name, figure in gate.figures.items()}
    return Say(f"gate.{gate.name}", facts)


_LEGACY_FROM = {
    "its own requests": Say("legacy_from.own"),
    "runs to compare with": Say("legacy_from.shadow"),
}


def _figure(name: str, gate: str, figure: Any) -> Value:
    if name == "on":
        return tuple(Say(f"signal.{signal}") for signal in figure)
    if name == "legacy_from":
        return _LEGACY_FROM.get(figure) or str(figure)
    if isinstance(figure, int | float):
        if name.endswith("_ms"):
            return Number(figure, Unit.MS)
        return Number(figure, Unit.SECONDS if gate == "bake" else Unit.COUNT)
    return figure  # type: ignore[no-any-return]


def _outcome(record: Record, endpoint: str) -> dict[str, Any]:
    """How an endpoint stood at the end; while there is none, where the run last put it."""
    end = record.run.end
    if end and endpoint in end.evidence.get("outcomes", {}):
        return dict(end.evidence["outcomes"][endpoint])
    put = [
        e.evidence["percent"]
        for e in record.events
        if e.endpoint == endpoint and e.kind in (EventKind.STAGE, EventKind.FAIL)
    ]
    percent = put[-1] if put else record.run.plan.endpoints[endpoint]
    return {"percent": percent, "status": Status.ACTIVE.value, "reason": ""}


def failures(arm_failures: Iterable[tuple[str, int]]) -> tuple[Say, ...]:
    """Failures by cause, those that there were."""
    return tuple(Say(f"failure.{cause}", {"n": Number(n)}) for cause, n in arm_failures if n)


def untouched(stays: Iterable[Stay]) -> dict[str, Stay]:
    """Branches of the contract that no comparison met, with the stage in which one was asked."""
    return {
        branch: stay
        for stay in stays
        if stay.evidence
        for branch in (*stay.evidence.branches_missing, *stay.evidence.branches_excused)
    }
