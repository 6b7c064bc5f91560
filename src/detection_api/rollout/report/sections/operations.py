"""The audit, the completeness of the record, ways back, monitoring and thresholds; pure."""

from collections.abc import Iterator

from detection_api.canary.guard import (
    ADVANCE_COST,
    ADVANCE_POINTS,
    LATE_RATIO,
    PARAMETERS,
    VERDICTS,
    Signal,
)
from detection_api.canary.state import DEFAULT, Arm, EventKind, RolloutEvent
from detection_api.rollout.gates import LIMIT_MS, SAMPLE
from detection_api.rollout.report.document import (
    Block,
    Cell,
    Facts,
    Number,
    Row,
    Section,
    Table,
    Text,
    Tone,
    Unit,
    Value,
    cell,
    listed,
    paragraph,
    percent_of,
)
from detection_api.rollout.report.record import EndpointRecord, RunRecord, StageOutcome
from detection_api.rollout.report.sections.verdicts import failures, sum_of_causes
from detection_api.rollout.report.sources import Sources
from detection_api.rollout.text import evidence as in_a_line
from detection_api.telemetry.process_metrics import MEMORY_BYTES


def decisions(record: RunRecord, sources: Sources) -> Section:
    """Return all events with their author and reason, oldest first."""
    events = sorted((*record.events, *record.other_events), key=lambda event: event.id)
    rows = tuple(_event(sources, event) for event in events)
    return Section(key="decisions", blocks=(Table(key="decisions", rows=rows),))


def _event(sources: Sources, event: RolloutEvent) -> Row:
    endpoint: Value = Text("every_endpoint") if event.endpoint == DEFAULT else event.endpoint
    return {
        "at": cell(event.at, sources.event(event)),
        "endpoint": cell(endpoint),
        "event": cell(Text(f"event.{event.kind.value}")),
        "by": cell(event.by),
        "reason": cell(event.reason or None),
        "evidence": cell(in_a_line(event.evidence) or None),
    }


def completeness(record: RunRecord, sources: Sources) -> Section:
    """Return the checks of whether the record of the run is complete."""
    rows = tuple(_checks(record, sources))
    return Section(key="completeness", blocks=(Table(key="completeness", rows=rows),))


def _checks(record: RunRecord, sources: Sources) -> Iterator[Row]:
    stages, events = record.stages, sources.events()
    undecided = tuple(s.endpoint for s in stages if s.outcome is StageOutcome.OPEN)
    judged = [s for s in stages if s.outcome in (StageOutcome.PASSED, StageOutcome.FAILED)]
    without_evidence = tuple(stage.endpoint for stage in judged if stage.evidence is None)
    lost = tuple(sorted({stage.endpoint for stage in stages if stage.figures.is_recorded}))
    figures = [endpoint.figures for endpoint in record.endpoints]
    counts = [sources.counts(each) for each in figures]
    dropped = sum(each.both("dropped") for each in figures)
    yield _check("ended", record.run.end is not None, cell(record.until, events))
    yield _check("decided", not undecided, cell(undecided, events))
    yield _check("evidence", not without_evidence, cell(without_evidence, events))
    yield _check("ledger", not lost, cell(lost, events))
    yield {
        "check": cell(Text("check.edges")),
        "outcome": cell(None),
        "found": cell(_requests_in_no_stage(record), *counts),
    }
    yield _check("dropped", not dropped, cell(dropped, *counts))


def _check(name: str, is_good: bool, found: Cell) -> Row:
    tone = Tone.GOOD if is_good else Tone.WARN
    return {
        "check": cell(Text(f"check.{name}")),
        "outcome": cell(Text("yes" if is_good else "no"), tone=tone),
        "found": found,
    }


def _requests_in_no_stage(record: RunRecord) -> int:
    """Return the domain's requests in buckets where a stage begins, or after the last stage."""
    total = sum(endpoint.figures.domain.counts["requests"] for endpoint in record.endpoints)
    return total - sum(stage.figures.domain.counts["requests"] for stage in record.stages)


def fallbacks(record: RunRecord, sources: Sources) -> Section:
    """Return every way back to legacy, and how often this run used it."""
    figures = [endpoint.figures for endpoint in record.endpoints]
    counts = [sources.counts(each) for each in figures]
    causes = sum_of_causes(each.domain.failures for each in figures)
    rolled_back = sum(event.kind is EventKind.ROLLBACK for event in record.other_events)
    failed = sum(event.kind is EventKind.FAIL for event in record.events)
    used = {
        "fallback": _used(sum(each.legacy.counts["fallbacks"] for each in figures), *counts),
        "deadline": _used(causes["timeout"], *counts),
        "contract": _used(causes["contract"], *counts),
        "stage": _used(failed, sources.events()),
        "rollback": _used(rolled_back, sources.all_events()),
        "kill_switch": cell(Text("unrecorded"), tone=Tone.WARN),
    }
    rows: tuple[Row, ...] = tuple(
        {
            "mechanism": cell(Text(f"fallback.{name}")),
            "how": cell(Text(f"fallback.{name}.how")),
            "in_this_run": uses,
        }
        for name, uses in used.items()
    )
    return Section(key="fallbacks", blocks=(Table(key="fallbacks", rows=rows),))


def _used(times: int, *sources: int) -> Cell:
    return cell(Text("used", {"n": Number(times)}), *sources)


def monitoring(record: RunRecord, sources: Sources) -> Section:
    """Return the rates of the whole run, and the workers' vitals at each decision."""
    rates = tuple(_rates(sources, endpoint, arm) for endpoint in record.endpoints for arm in Arm)
    vitals = tuple(_vitals(record, sources))
    blocks: list[Block] = [Table(key="rates", rows=rates)]
    if vitals:
        blocks += [paragraph(cell(Text("monitoring.vitals"))), Table(key="vitals", rows=vitals)]
    blocks.append(paragraph(cell(Text("monitoring.missing"), tone=Tone.WARN)))
    return Section(key="monitoring", blocks=tuple(blocks))


def _rates(sources: Sources, endpoint: EndpointRecord, arm: Arm) -> Row:
    figures, found = endpoint.figures, endpoint.figures.arms[arm]
    source, percentiles = sources.counts(figures), sources.percentiles(figures)
    counts, requests, seconds = found.counts, found.counts["requests"], figures.seconds
    return {
        "endpoint": cell(endpoint.name),
        "arm": cell(Text(f"arm.{arm.value}")),
        "rate": cell(requests / seconds if seconds else None, source, unit=Unit.RATE),
        "client_error_rate": percent_of(counts["client_errors"], requests, source),
        "server_error_rate": percent_of(counts["server_errors"], requests, source),
        "p50": cell(found.latency.p50_ms, percentiles, unit=Unit.MS),
        "p95": cell(found.latency.p95_ms, percentiles, unit=Unit.MS),
        "p99": cell(found.latency.p99_ms, percentiles, unit=Unit.MS),
        "failures": cell(failures(found.failures), source),
    }


def _vitals(record: RunRecord, sources: Sources) -> Iterator[Row]:
    """Yield the vitals that workers reported at the last decision of each stage."""
    decided = (found for endpoint in record.endpoints for found in endpoint.decided)
    ordered = sorted(decided, key=lambda found: (found[0].stage, found[1].id))
    for stage, decision, evidence in {found[0].stage: found for found in ordered}.values():
        source = sources.event(decision)
        vitals = [worker.vitals for worker in evidence.workers]
        memory = [found[MEMORY_BYTES] for found in vitals if MEMORY_BYTES in found]
        pools = [n for v in vitals for name, n in v.items() if name.endswith(("_in_use", "_idle"))]
        yield {
            "stage": cell(stage.percent, unit=Unit.PERCENT),
            "workers": cell(len(vitals), source),
            "memory": cell(sum(memory) if memory else None, source, unit=Unit.BYTES),
            "memory_most": cell(max(memory) if memory else None, source, unit=Unit.BYTES),
            "connections": cell(int(sum(pools)) if pools else None, source),
        }


def thresholds(record: RunRecord, sources: Sources) -> Section:
    """Return when the guard acts, and what a stage demands."""
    source = sources.code("detection_api.canary.guard.PARAMETERS")
    rows: tuple[Row, ...] = tuple(
        {
            "signal": cell(Text(f"signal.{signal.value}")),
            "fires": cell(Text(f"signal.{signal.value}.fires", _limits(signal))),
            "effect": cell(Text(f"guard_verdict.{VERDICTS[signal].value}")),
            "parameters": cell(in_a_line(PARAMETERS[signal]), source),
        }
        for signal in Signal
    )
    return Section(
        key="thresholds",
        blocks=(
            Table(key="thresholds", rows=rows),
            paragraph(cell(Text("thresholds.gates"))),
            listed(*_demands(record, sources)),
        ),
    )


def _limits(signal: Signal) -> Facts:
    """Return the limits of a signal, from the parameters of its test."""
    parameters = PARAMETERS[signal]
    facts: Facts = {"limit": Number(LIMIT_MS, Unit.MS), "ratio": Number(LATE_RATIO)}
    if "up" in parameters:
        facts["share"] = Number(100 / (1 + parameters["up"]), Unit.PERCENT)
        facts["in_a_row"] = Number(parameters["k"])
    else:
        facts["margin"] = Number(100 * parameters["margin"])
    return facts


def _demands(record: RunRecord, sources: Sources) -> Iterator[Cell]:
    plan, start = record.run.plan, sources.event(record.events[0])
    points: Facts = {"points": Number(ADVANCE_POINTS), "cost": Number(ADVANCE_COST)}
    yield cell(
        Text("threshold.points", points), sources.code("detection_api.canary.guard.ADVANCE_POINTS")
    )
    latency: Facts = {
        "limit": Number(LIMIT_MS, Unit.MS),
        "ratio": Number(LATE_RATIO),
        "runs": Number(SAMPLE),
    }
    yield cell(
        Text("threshold.latency", latency), sources.code("detection_api.rollout.gates.LIMIT_MS")
    )
    yield cell(Text("threshold.requests", {"n": Number(plan.min_requests)}), start)
    yield cell(Text("threshold.comparisons", {"n": Number(plan.comparisons)}), start)
    yield cell(Text("threshold.mismatches"), sources.code("detection_api.rollout.gates.judge"))
