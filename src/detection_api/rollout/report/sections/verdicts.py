"""What became of each endpoint, and why, in sentences; pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from detection_api.canary.state import EventKind, RolloutEvent, Status
from detection_api.rollout.gates import Gate, GateOutcome
from detection_api.rollout.report.document import Number, Text, Tone, Unit, Value
from detection_api.rollout.report.record import RunRecord, StageInterval
from detection_api.rollout.run import EndCause, Phase

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


def verdict(record: RunRecord, endpoint: str) -> tuple[Text, Tone]:
    """What became of an endpoint, in a sentence."""
    progress = record.run.progress[endpoint]
    outcome = _outcome(record, endpoint)
    percent = Number(outcome["percent"], Unit.PERCENT)
    if progress.phase is Phase.DONE and outcome["status"] == Status.ROLLED_BACK.value:
        return Text("verdict.undone", {"reason": outcome["reason"]}), Tone.BAD
    if progress.phase is Phase.DONE:
        return Text("verdict.done", {"percent": percent}), Tone.GOOD
    if progress.phase is Phase.FAILED:
        at = Number(record.run.plan.percent(progress.stage), Unit.PERCENT)
        return Text("verdict.failed", {"at": at, "percent": percent}), Tone.BAD
    if progress.phase is Phase.LEFT and _cause(progress.event) == EndCause.ROLLED_BACK.value:
        return Text("verdict.rolled_back", {"at": _percent_then(progress.event)}), Tone.BAD
    if progress.phase is Phase.LEFT:
        return Text("verdict.left", {"percent": percent}), Tone.WARN
    return Text("verdict.open", {"percent": percent}), Tone.WARN


def reasons(record: RunRecord, endpoint: str) -> tuple[Text, ...]:
    """Why it did not pass; nothing where it did."""
    progress = record.run.progress[endpoint]
    event = progress.event
    if event is None or progress.phase in (Phase.DONE, Phase.WAITING, Phase.BAKING):
        return ()
    stays = [stay for stay in record.of(endpoint) if stay.decided == event]
    gates = stays[-1].gates if stays else ()
    if progress.phase is Phase.FAILED:
        failed = [gate for gate in gates if gate.outcome is GateOutcome.FAILED]
        return tuple(_failed(gate, stays[-1]) for gate in failed) or (_quoted(event),)
    return _left(event, gates)


def _failed(gate: Gate, stay: StageInterval) -> Text:
    """Why a gate failed, without what did not matter to it."""
    if gate.name == "mismatches" and stay.evidence:
        places = tuple(
            Text(
                "difference", {"path": d.path, "kind": Text(f"kind.{d.kind}"), "n": Number(d.count)}
            )
            for d in stay.evidence.unaccepted
        )
        return Text("gate.mismatches.failed", {"places": places})
    said = gate_said(gate)
    return Text(f"{said.key}.failed", said.facts) if gate.name == "guard" else said


def _cause(event: RolloutEvent | None) -> str:
    return str(event.evidence.get("cause", "")) if event else ""


def _percent_then(event: RolloutEvent | None) -> Number:
    return Number(event.evidence["percent"] if event else 0, Unit.PERCENT)


def _left(event: RolloutEvent, gates: Sequence[Gate]) -> tuple[Text, ...]:
    cause = _cause(event)
    if cause == EndCause.ROLLED_BACK.value:
        guard = [gate_said(gate) for gate in gates if gate.name == "guard"]
        counted = (Text(f"{said.key}.failed", said.facts) for said in guard)
        return (Text("cause.rolled_back", {"reason": event.reason}), *counted)
    if cause == EndCause.PATIENCE.value:
        short = [gate.name for gate in gates if gate.outcome is GateOutcome.INCONCLUSIVE]
        names = tuple(Text(f"gate_name.{name}") for name in short)
        return (Text("cause.patience", {"gates": names}),)
    if cause in {each.value for each in EndCause}:
        return (Text(f"cause.{cause}", {"reason": event.reason}),)
    return (_quoted(event),)


def _quoted(event: RolloutEvent) -> Text:
    return Text("quoted", {"text": event.reason})


def gate_said(gate: Gate) -> Text:
    """What a gate came to, in a sentence of its figures."""
    if gate.name == "verification" and not gate.figures:
        return Text("gate.verification.none")
    if gate.name not in _GATES or not gate.figures:
        return Text("gate.other", {"name": gate.name, "text": gate.said})
    facts = {name: _figure(name, gate.name, figure) for name, figure in gate.figures.items()}
    return Text(f"gate.{gate.name}", facts)


_LEGACY_FROM = {
    "its own requests": Text("legacy_from.own"),
    "runs to compare with": Text("legacy_from.shadow"),
}


def _figure(name: str, gate: str, figure: Any) -> Value:
    if name == "on":
        return tuple(Text(f"signal.{signal}") for signal in figure)
    if name == "legacy_from":
        return _LEGACY_FROM.get(figure) or str(figure)
    if isinstance(figure, int | float):
        if name.endswith("_ms"):
            return Number(figure, Unit.MS)
        return Number(figure, Unit.SECONDS if gate == "bake" else Unit.COUNT)
    return figure  # type: ignore[no-any-return]


def _outcome(record: RunRecord, endpoint: str) -> dict[str, Any]:
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


def failures(arm_failures: Iterable[tuple[str, int]]) -> tuple[Text, ...]:
    """Failures by cause, those that there were."""
    return tuple(Text(f"failure.{cause}", {"n": Number(n)}) for cause, n in arm_failures if n)


def untouched(stays: Iterable[StageInterval]) -> dict[str, StageInterval]:
    """Branches of the contract that no comparison met, with the stage in which one was asked."""
    return {
        branch: stay
        for stay in stays
        if stay.evidence
        for branch in (*stay.evidence.branches_missing, *stay.evidence.branches_excused)
    }
