"""The verdict on each endpoint and its reasons, in sentences; pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from detection_api.canary.state import EventKind, RolloutEvent, Status
from detection_api.rollout.gates import Gate, GateOutcome
from detection_api.rollout.report.document import Number, Text, Tone, Unit, Value
from detection_api.rollout.report.record import EndpointRecord, RunRecord, StageInterval
from detection_api.rollout.run import EndCause, Phase

_GATES = frozenset(
    {"bake", "workers", "traffic", "guard", "mismatches", "comparisons", "coverage", "latency"}
)
"""The gates that the languages have sentences for. Others are quoted as recorded."""
_LEGACY_FROM = {
    "its own requests": Text("legacy_from.own"),
    "runs to compare with": Text("legacy_from.shadow"),
}


def verdict(record: RunRecord, endpoint: EndpointRecord) -> tuple[Text, Tone]:
    """Return how an endpoint ended, as a sentence without its subject."""
    progress = endpoint.progress
    state = _last_state(record, endpoint)
    percent = Number(state["percent"], Unit.PERCENT)
    if progress.phase is Phase.DONE and state["status"] == Status.ROLLED_BACK.value:
        return Text("verdict.undone", {"reason": state["reason"]}), Tone.BAD
    if progress.phase is Phase.DONE:
        return Text("verdict.done", {"percent": percent}), Tone.GOOD
    if progress.phase is Phase.FAILED:
        at = Number(record.run.plan.percent(progress.stage), Unit.PERCENT)
        return Text("verdict.failed", {"at": at, "percent": percent}), Tone.BAD
    event = progress.event
    if event and progress.phase is Phase.LEFT and _cause(event) == EndCause.ROLLED_BACK.value:
        at = Number(event.evidence["percent"], Unit.PERCENT)
        return Text("verdict.rolled_back", {"at": at}), Tone.BAD
    key = "verdict.left" if progress.phase is Phase.LEFT else "verdict.open"
    return Text(key, {"percent": percent}), Tone.WARN


def _last_state(record: RunRecord, endpoint: EndpointRecord) -> Mapping[str, Any]:
    """Return percent, status and reason from the END, or the last percent of a run that goes on."""
    end = record.run.end
    if end and endpoint.name in end.evidence.get("outcomes", {}):
        return dict(end.evidence["outcomes"][endpoint.name])
    percents = [
        event.evidence["percent"]
        for event in record.events
        if event.endpoint == endpoint.name and event.kind in (EventKind.STAGE, EventKind.FAIL)
    ]
    percent = percents[-1] if percents else record.run.plan.endpoints[endpoint.name]
    return {"percent": percent, "status": Status.ACTIVE.value, "reason": ""}


def reasons(endpoint: EndpointRecord) -> tuple[Text, ...]:
    """Return why an endpoint failed or was left behind; empty if it was not."""
    progress = endpoint.progress
    event = progress.event
    if event is None or progress.phase not in (Phase.FAILED, Phase.LEFT):
        return ()
    stage = next((stage for stage in endpoint.stages if stage.decision == event), None)
    if progress.phase is Phase.LEFT:
        return _left(event, stage.gates if stage else ())
    if stage is None:
        return (_quoted(event),)
    failed = (gate for gate in stage.gates if gate.outcome is GateOutcome.FAILED)
    return tuple(_failed(gate, stage) for gate in failed) or (_quoted(event),)


def _failed(gate: Gate, stage: StageInterval) -> Text:
    """Return why a gate failed, without the figures that did not decide it."""
    if gate.name == "mismatches" and stage.evidence:
        places = tuple(
            Text(
                "difference", {"path": d.path, "kind": Text(f"kind.{d.kind}"), "n": Number(d.count)}
            )
            for d in stage.evidence.unaccepted
        )
        return Text("gate.mismatches.failed", {"places": places})
    return _guard_failed(gate) if gate.name == "guard" else gate_text(gate)


def _guard_failed(gate: Gate) -> Text:
    return Text("gate.guard.failed", gate_text(gate).facts)


def _left(event: RolloutEvent, gates: Sequence[Gate]) -> tuple[Text, ...]:
    cause = _cause(event)
    if cause == EndCause.ROLLED_BACK.value:
        guard = (_guard_failed(gate) for gate in gates if gate.name == "guard")
        return (Text("cause.rolled_back", {"reason": event.reason}), *guard)
    if cause == EndCause.PATIENCE.value:
        names = tuple(
            Text(f"gate_name.{gate.name}")
            for gate in gates
            if gate.outcome is GateOutcome.INCONCLUSIVE
        )
        return (Text("cause.patience", {"gates": names}),)
    if cause in {each.value for each in EndCause}:
        return (Text(f"cause.{cause}", {"reason": event.reason}),)
    return (_quoted(event),)


def _cause(event: RolloutEvent) -> str:
    return str(event.evidence.get("cause", ""))


def _quoted(event: RolloutEvent) -> Text:
    return Text("quoted", {"text": event.reason})


def gate_text(gate: Gate) -> Text:
    """Return what a gate found, as a sentence with its figures."""
    if gate.name == "verification" and not gate.figures:
        return Text("gate.verification.none")
    if gate.name not in _GATES or not gate.figures:
        return Text("quoted", {"text": gate.message})
    facts = {name: _figure(name, gate.name, figure) for name, figure in gate.figures.items()}
    if gate.name == "comparisons" and "bound" in facts:
        return Text("gate.comparisons.bound", facts)
    if gate.name == "guard" and "bound" in facts:
        return Text("gate.guard.bound", facts)
    return Text(f"gate.{gate.name}", facts)


def _figure(name: str, gate: str, figure: Any) -> Value:
    if name == "on":
        return tuple(Text(f"signal.{signal}") for signal in figure)
    if name == "legacy_from":
        return _LEGACY_FROM.get(figure) or str(figure)
    if isinstance(figure, int | float):
        if name == "bound":
            return Number(figure, Unit.PERCENT)
        if name.endswith("_ms"):
            return Number(figure, Unit.MS)
        return Number(figure, Unit.SECONDS if gate == "bake" else Unit.COUNT)
    return figure  # type: ignore[no-any-return]


def failures(causes: Mapping[str, int]) -> tuple[Text, ...]:
    """Return the failures by cause, without causes that did not occur."""
    return tuple(Text(f"failure.{cause}", {"n": Number(n)}) for cause, n in causes.items() if n)


def untested_branches(endpoint: EndpointRecord) -> dict[str, RolloutEvent]:
    """Return the contract's branches that no comparison exercised, with the last such decision."""
    return {
        branch: decision
        for _, decision, evidence in endpoint.decided
        for branch in (*evidence.branches_missing, *evidence.branches_excused)
    }


def sum_of_causes(evidences: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the failures by cause, summed up."""
    total: dict[str, int] = {}
    for causes in evidences:
        for cause, count in causes.items():
            total[cause] = total.get(cause, 0) + count
    return total
