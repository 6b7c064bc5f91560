"""The scope of the run, and its stages with what was verified in each; pure."""

from collections.abc import Iterator

from detection_api.canary.state import Arm
from detection_api.rollout.report.document import (
    Cell,
    Number,
    Paragraph,
    Section,
    Table,
    Text,
    Tone,
    Unit,
    Value,
    cell,
)
from detection_api.rollout.report.record import EndpointOutcome, RunRecord, StageInterval, covered
from detection_api.rollout.report.sources import Sources

TONES = {
    EndpointOutcome.PASSED: Tone.GOOD,
    EndpointOutcome.FAILED: Tone.BAD,
    EndpointOutcome.LEFT: Tone.WARN,
    EndpointOutcome.OPEN: Tone.WARN,
}


def scope(record: RunRecord, sources: Sources) -> Section:
    """What the run was about, and by which rules."""
    run, plan = record.run, record.run.plan
    start = sources.event(record.events[0])
    end = sources.event(run.end) if run.end else sources.events()
    facts: dict[str, tuple[Value, int]] = {
        "run": (str(run.id), start),
        "by": (run.by, start),
        "reason": (run.reason or None, start),
        "began": (record.events[0].at, start),
        "ended": (record.until if run.end else Text("not_ended", {"until": record.until}), end),
        "endpoints": (tuple(record.endpoints), start),
        "stages": (tuple(Number(p, Unit.PERCENT) for p in plan.stages), start),
        "bake": (Number(plan.bake, Unit.SECONDS), start),
        "patience": (Number(plan.patience, Unit.SECONDS), start),
        "min_requests": (Number(plan.min_requests), start),
        "min_comparisons": (Number(plan.min_comparisons), start),
        "on_failure": (Text(f"on_failure.{plan.on_failure.value}"), start),
        "verified": (plan.verify_urls or None, start),
    }
    rows = tuple(
        (cell(Text(f"scope.{name}")), cell(value, source))
        for name, (value, source) in facts.items()
    )
    return Section(
        key="scope",
        blocks=(
            Paragraph(cells=(cell(Text("scope.arms")),)),
            Table(key="scope", columns=("name", "value"), rows=rows),
        ),
    )


def stages(record: RunRecord, sources: Sources) -> Section:
    """Each stage with the endpoints that were in it, and what they answered."""
    parts = []
    for number, percent in enumerate(record.run.plan.stages, 1):
        stays = [stay for stay in record.stays if stay.stage == number]
        parts.append(_stage(record, sources, percent, sorted(stays, key=lambda s: s.endpoint)))
    return Section(key="stages", blocks=tuple(parts))


def _stage(
    record: RunRecord, sources: Sources, percent: float, stays: list[StageInterval]
) -> Section:
    name = f"{percent:g}%"
    if not stays:
        return Section(
            key="stage", name=name, blocks=(Paragraph(cells=(cell(Text("stage.nobody")),)),)
        )
    passed = [stay.endpoint for stay in stays if stay.outcome is EndpointOutcome.PASSED]
    facts = {"n": Number(len(stays)), "passed": Number(len(passed))}
    columns = (
        "endpoint",
        "outcome",
        "since",
        "stayed",
        "requests",
        "ok",
        "client_errors",
        "server_errors",
        "verification",
    )
    return Section(
        key="stage",
        name=name,
        blocks=(
            Paragraph(cells=(cell(Text("stage.passed", facts), sources.events()),)),
            Table(
                key="stage",
                columns=columns,
                rows=tuple(_row(record, sources, stay) for stay in stays),
            ),
        ),
    )


def _row(record: RunRecord, sources: Sources, stay: StageInterval) -> tuple[Cell, ...]:
    arms = record.figures[stay.endpoint, stay.stage]
    counts, source = arms.domain.counts, counted(record, sources, stay)
    ok = counts["requests"] - counts["client_errors"] - counts["server_errors"]
    return (
        cell(stay.endpoint),
        outcome(sources, stay),
        cell(stay.since, sources.event(stay.opened)),
        cell((stay.until - stay.since).total_seconds(), sources.events(), unit=Unit.SECONDS),
        cell(counts["requests"], source),
        cell(ok, source),
        cell(counts["client_errors"], source),
        cell(
            counts["server_errors"],
            source,
            tone=Tone.BAD if counts["server_errors"] else Tone.PLAIN,
        ),
        verification(sources, stay),
    )


def outcome(sources: Sources, stay: StageInterval) -> Cell:
    """What became of an endpoint in a stage."""
    source = sources.event(stay.decided or stay.opened)
    return cell(Text(f"outcome.{stay.outcome.value}"), source, tone=TONES[stay.outcome])


def verification(sources: Sources, stay: StageInterval) -> Cell:
    """What the calls over HTTP came to, if they were made."""
    gate = next((gate for gate in stay.gates if gate.name == "verification"), None)
    if gate is None or stay.decided is None or not gate.figures:
        return cell(Text("not_verified"), tone=Tone.WARN)
    said = Text("quoted", {"text": gate.said})
    return cell(said, sources.event(stay.decided))


def counted(record: RunRecord, sources: Sources, stay: StageInterval) -> int:
    """Where a stage's counts come from: the ledger, or the decision where that has forgotten."""
    if record.figures[stay.endpoint, stay.stage].forgotten and stay.decided:
        return sources.event(stay.decided)
    return sources.counts(stay.endpoint, stay.since, stay.until)


def counted_in_all(record: RunRecord, sources: Sources, endpoint: str) -> int:
    """Where the whole run's counts of an endpoint come from."""
    if record.totals[endpoint].forgotten:
        return sources.events()
    return sources.counts(endpoint, record.since, record.until)


def timed(
    record: RunRecord, sources: Sources, stay: StageInterval, histogram: str = "latency"
) -> int:
    """Where a stage's percentiles come from."""
    if record.figures[stay.endpoint, stay.stage].forgotten and stay.decided:
        return sources.event(stay.decided)
    return sources.percentiles(stay.endpoint, stay.since, stay.until, histogram)


def traffic(record: RunRecord, sources: Sources, endpoint: str) -> Table:
    """What both arms of an endpoint did, stage by stage: failures first."""
    columns = (
        "stage",
        "arm",
        "failures",
        "fallbacks",
        "outages",
        "requests",
        "forced",
        "rate",
        "client_errors",
        "server_errors",
        "error_rate",
        "p50",
        "p95",
        "p99",
    )
    rows = [row for stay in record.of(endpoint) for row in _arms(record, sources, stay)]
    return Table(key="traffic", columns=columns, rows=tuple(rows))


def _arms(record: RunRecord, sources: Sources, stay: StageInterval) -> Iterator[tuple[Cell, ...]]:
    source, percentiles = counted(record, sources, stay), timed(record, sources, stay)
    seconds = covered(stay.since, stay.until)
    for arm, found in record.figures[stay.endpoint, stay.stage].both:
        counts, requests = found.counts, found.counts["requests"]
        failed = sum(found.failures.values())
        wrong = counts["client_errors"] + counts["server_errors"]
        is_bad = failed and arm is Arm.DOMAIN
        yield (
            cell(stay.percent, unit=Unit.PERCENT),
            cell(Text(f"arm.{arm.value}")),
            cell(failed, source, tone=Tone.BAD if is_bad else Tone.PLAIN),
            cell(counts["fallbacks"], source, tone=Tone.BAD if counts["fallbacks"] else Tone.PLAIN),
            cell(counts["outages"], source, tone=Tone.BAD if counts["outages"] else Tone.PLAIN),
            cell(requests, source),
            cell(counts["forced"], source),
            cell(requests / seconds if seconds else None, source, unit=Unit.RATE),
            cell(counts["client_errors"], source),
            cell(counts["server_errors"], source),
            cell(100 * wrong / requests if requests else None, source, unit=Unit.PERCENT),
            cell(found.latency.p50_ms, percentiles, unit=Unit.MS),
            cell(found.latency.p95_ms, percentiles, unit=Unit.MS),
            cell(found.latency.p99_ms, percentiles, unit=Unit.MS),
        )
