"""Each endpoint: its gates, traffic, comparisons and warnings; pure."""

from collections.abc import Iterator

import msgspec

from detection_api.canary.state import EventKind
from detection_api.rollout.gates import Gate, GateOutcome
from detection_api.rollout.report.document import (
    Block,
    Cell,
    Paragraph,
    Row,
    Section,
    Table,
    Text,
    Tone,
    Unit,
    bad_count,
    cell,
    listed,
    paragraph,
)
from detection_api.rollout.report.record import EndpointRecord, RunRecord, StageInterval
from detection_api.rollout.report.sections.traffic import traffic
from detection_api.rollout.report.sections.verdicts import gate_text, reasons, verdict
from detection_api.rollout.report.sources import Sources

_TONES = {
    GateOutcome.PASSED: Tone.GOOD,
    GateOutcome.FAILED: Tone.BAD,
    GateOutcome.INCONCLUSIVE: Tone.WARN,
}


def endpoints(record: RunRecord, sources: Sources) -> Section:
    """Return a section for each endpoint."""
    parts = (
        Section(
            key="endpoint", name=endpoint.name, blocks=tuple(_blocks(record, sources, endpoint))
        )
        for endpoint in record.endpoints
    )
    return Section(key="endpoints", blocks=tuple(parts))


def _blocks(record: RunRecord, sources: Sources, endpoint: EndpointRecord) -> Iterator[Block]:
    text, tone = verdict(record, endpoint)
    yield paragraph(cell(text, sources.events(), tone=tone))
    if why := reasons(endpoint):
        yield listed(*(cell(reason, sources.events()) for reason in why))
    if not endpoint.stages:
        yield paragraph(cell(Text("endpoint.no_stage")))
        return
    yield _gates(sources, endpoint)
    yield from traffic(record, sources, endpoint)
    yield _comparisons(sources, endpoint)
    yield _differences(sources, endpoint)
    if endpoint.decided:
        yield _branches(sources, endpoint)
    yield from _accepted(sources, endpoint)
    yield _warnings(record, sources, endpoint)


def _gates(sources: Sources, endpoint: EndpointRecord) -> Block:
    """Return the gates of the last decision."""
    last = next((stage for stage in reversed(endpoint.stages) if stage.gates), None)
    if last is None:
        return paragraph(cell(Text("endpoint.undecided"), tone=Tone.WARN))
    source = sources.event(last.decision)
    rows: tuple[Row, ...] = tuple(
        {
            "gate": cell(Text(f"gate_name.{gate.name}")),
            "outcome": _gate_outcome(gate),
            "found": cell(gate_text(gate), source),
        }
        for gate in last.gates
    )
    return Table(key="gates", rows=rows)


def _gate_outcome(gate: Gate) -> Cell:
    """Return the outcome of a gate. A waived verification has passed but has proven nothing."""
    if gate.name == "verification" and not gate.figures:
        return cell(Text("not_verified"), tone=Tone.WARN)
    return cell(Text(f"gate_outcome.{gate.outcome.value}"), tone=_TONES[gate.outcome])


def _comparisons(sources: Sources, endpoint: EndpointRecord) -> Table:
    """Return the results of the comparisons by stage, of answers by either arm."""
    rows = tuple(_comparisons_row(sources, stage) for stage in endpoint.stages)
    return Table(key="comparisons", rows=rows)


def _comparisons_row(sources: Sources, stage: StageInterval) -> Row:
    figures = stage.figures
    source, shadow = sources.counts(figures), sources.percentiles(figures, "shadow")
    return {
        "stage": cell(stage.percent, unit=Unit.PERCENT),
        "compared": cell(figures.both("compared"), source),
        "mismatched": bad_count(figures.both("mismatched"), source),
        "accepted": cell(figures.both("accepted"), source),
        "noise": cell(figures.both("noise"), source),
        "dropped": cell(figures.both("dropped"), source),
        "domain_shadow_p95": cell(figures.domain.shadow.p95_ms, shadow, unit=Unit.MS),
        "legacy_shadow_p95": cell(figures.legacy.shadow.p95_ms, shadow, unit=Unit.MS),
    }


def _differences(sources: Sources, endpoint: EndpointRecord) -> Block:
    """Return where the arms differed, with examples."""
    rows: list[Row] = []
    for stage, decision, evidence in endpoint.decided:
        source = sources.event(decision)
        for found in evidence.mismatches:
            examples = tuple(msgspec.json.encode(sample).decode() for sample in found.samples)
            rows.append(
                {
                    "stage": cell(stage.percent, unit=Unit.PERCENT),
                    "path": cell(found.path),
                    "kind": cell(Text(f"kind.{found.kind}")),
                    "unaccepted": bad_count(found.count, source),
                    "accepted": cell(found.accepted, source),
                    "examples": cell(examples, source),
                }
            )
    if not rows:
        return paragraph(cell(Text("differences.none"), sources.events()))
    return Table(key="differences", rows=tuple(rows))


def _branches(sources: Sources, endpoint: EndpointRecord) -> Table:
    """Return by stage how many branches of the contract were exercised, and which were not."""
    rows: list[Row] = []
    for stage, decision, evidence in endpoint.decided:
        source, missing = sources.event(decision), evidence.branches_missing
        rows.append(
            {
                "stage": cell(stage.percent, unit=Unit.PERCENT),
                "met": cell(len(evidence.branches), source),
                "never": cell(missing, source, tone=Tone.WARN if missing else Tone.PLAIN),
                "excused": cell(tuple(sorted(evidence.branches_excused)), source),
            }
        )
    return Table(key="branches", rows=tuple(rows))


def _accepted(sources: Sources, endpoint: EndpointRecord) -> Iterator[Table]:
    """Yield the accepted differences at the last decision, if there are any."""
    for _, decision, evidence in endpoint.decided[-1:]:
        rows: tuple[Row, ...] = tuple(
            {
                "path": cell(accepted.path, sources.event(decision)),
                "kind": cell(accepted.kind),
                "reason": cell(accepted.reason),
                "by": cell(accepted.by),
                "expires": cell(accepted.expires_at, tone=Tone.WARN),
            }
            for accepted in evidence.accepted
        )
        if rows:
            yield Table(key="accepted", rows=rows)


def _warnings(record: RunRecord, sources: Sources, endpoint: EndpointRecord) -> Paragraph:
    """Return the guard's warnings and all rollbacks of an endpoint."""
    tones = {
        EventKind.WARN: Tone.WARN,
        EventKind.HOLD: Tone.WARN,
        EventKind.ROLLBACK: Tone.BAD,
    }
    cells = [
        cell(
            Text(
                f"warning.{event.kind.value}",
                {"at": event.at, "by": event.by, "reason": event.reason},
            ),
            sources.event(event),
            tone=tones[event.kind],
        )
        for event in record.other_events
        if event.endpoint == endpoint.name and event.kind in tones
    ]
    return listed(*cells) if cells else paragraph(cell(Text("warning.none"), sources.all_events()))
