"""The scope of the run, and each stage with its endpoints; pure."""

from detection_api.rollout.report.document import (
    Cell,
    Number,
    Row,
    Section,
    Table,
    Text,
    Tone,
    Unit,
    Value,
    bad_count,
    cell,
    paragraph,
)
from detection_api.rollout.report.record import RunRecord, StageInterval, StageOutcome
from detection_api.rollout.report.sources import Sources

TONES = {
    StageOutcome.PASSED: Tone.GOOD,
    StageOutcome.FAILED: Tone.BAD,
    StageOutcome.LEFT: Tone.WARN,
    StageOutcome.OPEN: Tone.WARN,
}


def scope(record: RunRecord, sources: Sources) -> Section:
    """Return the run's plan: who started it, its endpoints, stages and rules."""
    run, plan = record.run, record.run.plan
    ended = record.until if run.end else Text("not_ended", {"until": record.until})
    values: dict[str, Value] = {
        "run": str(run.id),
        "by": run.by,
        "reason": run.reason or None,
        "began": record.events[0].at,
        "ended": ended,
        "endpoints": tuple(endpoint.name for endpoint in record.endpoints),
        "stages": tuple(Number(percent, Unit.PERCENT) for percent in plan.stages),
        "bake": Number(plan.bake, Unit.SECONDS),
        "patience": Number(plan.patience, Unit.SECONDS),
        "min_requests": Number(plan.min_requests),
        "max_wrong": Number(plan.max_wrong, Unit.PERCENT) if plan.min_comparisons is None else None,
        "min_comparisons": Number(plan.comparisons),
        "on_failure": Text(f"on_failure.{plan.on_failure.value}"),
        "verified": plan.verify_urls or None,
    }
    start, end = sources.event(record.events[0]), sources.event(run.end)
    rows: tuple[Row, ...] = tuple(
        {
            "name": cell(Text(f"scope.{name}")),
            "value": cell(value, end if name == "ended" else start),
        }
        for name, value in values.items()
    )
    table = Table(key="scope", rows=rows)
    return Section(key="scope", blocks=(paragraph(cell(Text("scope.arms"))), table))


def stages(record: RunRecord, sources: Sources) -> Section:
    """Return each stage with the endpoints that were in it."""
    parts = tuple(
        _stage(sources, percent, [each for each in record.stages if each.stage == number])
        for number, percent in enumerate(record.run.plan.stages, 1)
    )
    return Section(key="stages", blocks=parts)


def _stage(sources: Sources, percent: float, intervals: list[StageInterval]) -> Section:
    name = f"{percent:g}%"
    if not intervals:
        text = paragraph(cell(Text("stage.empty")))
        return Section(key="stage", name=name, blocks=(text,))
    passed = sum(interval.outcome is StageOutcome.PASSED for interval in intervals)
    facts = {"n": Number(len(intervals)), "passed": Number(passed)}
    text = paragraph(cell(Text("stage.passed", facts), sources.events()))
    rows = tuple(_row(sources, interval) for interval in intervals)
    return Section(key="stage", name=name, blocks=(text, Table(key="stage", rows=rows)))


def _row(sources: Sources, interval: StageInterval) -> Row:
    figures = interval.figures
    counts, source = figures.domain.counts, sources.counts(figures)
    seconds = (figures.until - figures.since).total_seconds()
    ok = counts["requests"] - counts["client_errors"] - counts["server_errors"]
    decision = sources.event(interval.decision or interval.opened)
    outcome = Text(f"outcome.{interval.outcome.value}")
    return {
        "endpoint": cell(interval.endpoint),
        "outcome": cell(outcome, decision, tone=TONES[interval.outcome]),
        "since": cell(figures.since, sources.event(interval.opened)),
        "duration": cell(seconds, sources.events(), unit=Unit.SECONDS),
        "requests": cell(counts["requests"], source),
        "ok": cell(ok, source),
        "client_errors": cell(counts["client_errors"], source),
        "server_errors": bad_count(counts["server_errors"], source),
        "verification": _verification(sources, interval),
    }


def _verification(sources: Sources, interval: StageInterval) -> Cell:
    """Return the result of the calls over HTTP, if any were made."""
    gate = next((gate for gate in interval.gates if gate.name == "verification"), None)
    if gate is None or not gate.figures:
        return cell(Text("not_verified"), tone=Tone.WARN)
    return cell(Text("quoted", {"text": gate.message}), sources.event(interval.decision))
