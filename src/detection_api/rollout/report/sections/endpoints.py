"""Each endpoint: what was verified, what it did, where the arms differed; pure."""

from collections.abc import Iterator
from operator import truediv
from typing import Any

import msgspec

from detection_api.canary.state import EventKind, Tally, percentile
from detection_api.rollout.gates import LIMIT_MS, Gate, GateOutcome
from detection_api.rollout.report.document import (
    Block,
    Cell,
    Chart,
    Line,
    Number,
    Paragraph,
    Section,
    Table,
    Text,
    Tone,
    Unit,
    cell,
)
from detection_api.rollout.report.record import RunRecord, StageInterval
from detection_api.rollout.report.sections.stages import counted, timed, traffic
from detection_api.rollout.report.sections.verdicts import gate_said, reasons, verdict
from detection_api.rollout.report.sources import Sources

_TONES = {
    GateOutcome.PASSED: Tone.GOOD,
    GateOutcome.FAILED: Tone.BAD,
    GateOutcome.INCONCLUSIVE: Tone.WARN,
}


def endpoints(record: RunRecord, sources: Sources) -> Section:
    """All endpoints, one after the other."""
    parts = (_endpoint(record, sources, endpoint) for endpoint in record.endpoints)
    return Section(key="endpoints", blocks=tuple(parts))


def _endpoint(record: RunRecord, sources: Sources, endpoint: str) -> Section:
    said, tone = verdict(record, endpoint)
    stays = record.of(endpoint)
    opening = Paragraph(cells=(cell(said, sources.events(), tone=tone),))
    why = tuple(cell(reason, sources.events()) for reason in reasons(record, endpoint))
    blocks: list[Block] = [opening]
    if why:
        blocks.append(Paragraph(cells=why, listed=True))
    if not stays:
        blocks.append(Paragraph(cells=(cell(Text("endpoint.never")),)))
        return Section(key="endpoint", name=endpoint, blocks=tuple(blocks))
    blocks += [_verified(sources, stays), traffic(record, sources, endpoint)]
    blocks += _charts(record, sources, endpoint)
    blocks += [_comparisons(record, sources, stays), *_differences(sources, stays)]
    blocks += [_branches(sources, stays), *_accepted(sources, stays)]
    blocks += _warnings(record, sources, endpoint)
    return Section(key="endpoint", name=endpoint, blocks=tuple(blocks))


def _verified(sources: Sources, stays: list[StageInterval]) -> Block:
    """What each gate said at the last decision."""
    decided = [stay for stay in stays if stay.decided and stay.gates]
    if not decided:
        return Paragraph(cells=(cell(Text("endpoint.undecided"), tone=Tone.WARN),))
    last = decided[-1]
    assert last.decided is not None
    source = sources.event(last.decided)
    rows = tuple(
        (
            cell(Text(f"gate_name.{gate.name}")),
            _gate_outcome(gate),
            cell(gate_said(gate), source),
        )
        for gate in last.gates
    )
    return Table(key="verified", columns=("gate", "outcome", "found"), rows=rows)


def _gate_outcome(gate: Gate) -> Cell:
    """What a gate came to; one that an operator has waived has shown nothing."""
    if gate.name == "verification" and not gate.figures:
        return cell(Text("not_verified"), tone=Tone.WARN)
    return cell(Text(f"gate_outcome.{gate.outcome.value}"), tone=_TONES[gate.outcome])


def _charts(record: RunRecord, sources: Sources, endpoint: str) -> Iterator[Chart]:
    points = record.points[endpoint]
    if not points:
        return
    step = record.step.total_seconds()
    source = sources.series(endpoint, record.since, record.until, int(step))
    arms = [("arm.domain", [p.domain for p in points]), ("arm.legacy", [p.legacy for p in points])]
    lengths = [point.seconds for point in points]
    counts = [[tally.requests for tally in tallies] for _, tallies in arms]
    failed = [sum(p.domain.failures.values()) for p in points]
    rates = [list(map(truediv, each, lengths)) for each in (*counts, failed)]
    keys = [*(key for key, _ in arms), "chart.failures"]
    moments = tuple(point.at for point in points)
    text = Text(
        "chart.traffic.text",
        {
            "step": Number(step, Unit.SECONDS),
            "domain": Number(max(rates[0]), Unit.RATE),
            "legacy": Number(max(rates[1]), Unit.RATE),
            "failures": Number(sum(failed)),
        },
    )
    yield Chart(
        key="chart.traffic",
        name=endpoint,
        moments=moments,
        lines=tuple(
            Line(key=key, values=tuple(values)) for key, values in zip(keys, rates, strict=True)
        ),
        unit=Unit.RATE,
        text=text,
        sources=(source,),
    )
    yield _p95_chart(record, sources, endpoint, arms, moments)


def _p95_chart(
    record: RunRecord,
    sources: Sources,
    endpoint: str,
    arms: list[tuple[str, list[Tally]]],
    moments: tuple[Any, ...],
) -> Chart:
    lines = [Line(key=key, values=tuple(map(_p95_ms, tallies))) for key, tallies in arms]
    worst = [max((v for v in line.values if v is not None), default=None) for line in lines]
    step = int(record.step.total_seconds())
    lines.append(Line(key="chart.limit", values=(LIMIT_MS,) * len(moments)))
    facts = {
        name: None if value is None else Number(value, Unit.MS)
        for name, value in zip(("domain", "legacy"), worst, strict=True)
    }
    return Chart(
        key="chart.p95",
        name=endpoint,
        moments=moments,
        lines=tuple(lines),
        unit=Unit.MS,
        text=Text("chart.p95.text", {**facts, "limit": Number(LIMIT_MS, Unit.MS)}),
        sources=(sources.p95_series(endpoint, record.since, record.until, step),),
    )


def _p95_ms(tally: Tally) -> float | None:
    seconds = percentile(tally.latency, 95)
    return None if seconds is None else seconds * 1000


def _comparisons(record: RunRecord, sources: Sources, stays: list[StageInterval]) -> Table:
    """What came of the comparisons of either arm's answers, stage by stage."""
    rows = []
    for stay in stays:
        arms, source = record.figures[stay.endpoint, stay.stage], counted(record, sources, stay)
        names = ("compared", "mismatched", "accepted", "noise", "dropped")
        sums = {n: arms.domain.counts[n] + arms.legacy.counts[n] for n in names}
        shadow = timed(record, sources, stay, "shadow")
        rows.append(
            (
                cell(stay.percent, unit=Unit.PERCENT),
                cell(sums["compared"], source),
                cell(
                    sums["mismatched"], source, tone=Tone.BAD if sums["mismatched"] else Tone.PLAIN
                ),
                *(cell(sums[name], source) for name in names[2:]),
                cell(arms.domain.shadow.p95_ms, shadow, unit=Unit.MS),
                cell(arms.legacy.shadow.p95_ms, shadow, unit=Unit.MS),
            )
        )
    columns = (
        "stage",
        "compared",
        "mismatched",
        "accepted",
        "noise",
        "dropped",
        "domain_shadow_p95",
        "legacy_shadow_p95",
    )
    return Table(key="comparisons", columns=columns, rows=tuple(rows))


def _differences(sources: Sources, stays: list[StageInterval]) -> Iterator[Block]:
    """Where the arms differed, with examples."""
    rows = []
    for stay in stays:
        if stay.evidence is None or stay.decided is None:
            continue
        source = sources.event(stay.decided)
        for found in stay.evidence.mismatches:
            examples = tuple(msgspec.json.encode(sample).decode() for sample in found.samples)
            rows.append(
                (
                    cell(stay.percent, unit=Unit.PERCENT),
                    cell(found.path),
                    cell(Text(f"kind.{found.kind}")),
                    cell(found.count, source, tone=Tone.BAD if found.count else Tone.PLAIN),
                    cell(found.accepted, source),
                    cell(examples, source),
                )
            )
    if rows:
        columns = ("stage", "path", "kind", "unaccepted", "accepted", "examples")
        yield Table(key="differences", columns=columns, rows=tuple(rows))
    else:
        yield Paragraph(cells=(cell(Text("differences.none"), sources.events()),))


def _branches(sources: Sources, stays: list[StageInterval]) -> Block:
    """Branches of the contract, by stage: how many were met, and which never."""
    rows = []
    for stay in stays:
        if (found := stay.evidence) is None or stay.decided is None:
            continue
        source = sources.event(stay.decided)
        missing = found.branches_missing
        rows.append(
            (
                cell(stay.percent, unit=Unit.PERCENT),
                cell(len(found.branches), source),
                cell(missing, source, tone=Tone.WARN if missing else Tone.PLAIN),
                cell(tuple(sorted(found.branches_excused)), source),
            )
        )
    return Table(key="branches", columns=("stage", "met", "never", "excused"), rows=tuple(rows))


def _accepted(sources: Sources, stays: list[StageInterval]) -> Iterator[Table]:
    """Differences that were known and excused, as they stood at the last decision."""
    decided = [(s.decided, s.evidence) for s in stays if s.decided and s.evidence]
    if decided and decided[-1][1].accepted:
        event, evidence = decided[-1]
        source = sources.event(event)
        rows = tuple(
            (
                cell(d.path, source),
                cell(d.kind),
                cell(d.reason),
                cell(d.by),
                cell(d.expires_at, tone=Tone.WARN),
            )
            for d in evidence.accepted
        )
        columns = ("path", "kind", "reason", "by", "expires")
        yield Table(key="accepted", columns=columns, rows=rows)


def _warnings(record: RunRecord, sources: Sources, endpoint: str) -> Iterator[Paragraph]:
    """What the guard said of an endpoint, and rollbacks."""
    kinds = (EventKind.WARN, EventKind.HOLD, EventKind.ROLLBACK)
    found: tuple[Cell, ...] = tuple(
        cell(
            Text(f"warning.{e.kind.value}", {"at": e.at, "by": e.by, "reason": e.reason}),
            sources.event(e),
            tone=Tone.WARN if e.kind is not EventKind.ROLLBACK else Tone.BAD,
        )
        for e in record.around
        if e.endpoint == endpoint and e.kind in kinds
    )
    nothing = (cell(Text("warning.none"), sources.around(record.since, record.until)),)
    yield Paragraph(cells=found or nothing, listed=bool(found))
