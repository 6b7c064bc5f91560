"""Who did what when, whether the record is whole, and how it is run; pure."""

from collections.abc import Iterator

from detection_api.canary.guard import (
    ADVANCE_COST,
    ADVANCE_POINTS,
    LATE_RATIO,
    PARAMETERS,
    VERDICTS,
    Signal,
)
from detection_api.canary.state import DEFAULT, EventKind, RolloutEvent
from detection_api.rollout.gates import LIMIT_MS, SAMPLE
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
from detection_api.rollout.report.record import EndpointOutcome, RunRecord, covered
from detection_api.rollout.report.sections.stages import counted_in_all
from detection_api.rollout.report.sections.verdicts import failures
from detection_api.rollout.report.sources import Sources
from detection_api.rollout.text import evidence as in_a_line
from detection_api.telemetry.process_metrics import MEMORY_BYTES


def decisions(record: RunRecord, sources: Sources) -> Section:
    """Everything that was done and decided, by whom and why, oldest first."""
    events = sorted((*record.events, *record.around), key=lambda event: event.id)
    rows = tuple(_decision(sources, event) for event in events)
    columns = ("at", "endpoint", "event", "by", "reason", "evidence")
    return Section(key="decisions", blocks=(Table(key="decisions", columns=columns, rows=rows),))


def _decision(sources: Sources, event: RolloutEvent) -> tuple[Cell, ...]:
    endpoint: Value = Text("every_endpoint") if event.endpoint == DEFAULT else event.endpoint
    return (
        cell(event.at, sources.event(event)),
        cell(endpoint),
        cell(Text(f"event.{event.kind.value}")),
        cell(event.by),
        cell(event.reason or None),
        cell(in_a_line(event.evidence) or None),
    )


def completeness(record: RunRecord, sources: Sources) -> Section:
    """Whether the record of the run is whole."""
    rows = tuple(_checks(record, sources))
    columns = ("check", "outcome", "found")
    return Section(
        key="completeness", blocks=(Table(key="completeness", columns=columns, rows=rows),)
    )


def _checks(record: RunRecord, sources: Sources) -> Iterator[tuple[Cell, ...]]:
    stays, events = record.stays, sources.events()
    undecided = tuple(s.endpoint for s in stays if s.outcome is EndpointOutcome.OPEN)
    yield _check("ended", record.run.end is not None, record.until, events)
    yield _check("decided", not undecided, undecided, events)
    decided = [
        stay for stay in stays if stay.outcome in (EndpointOutcome.PASSED, EndpointOutcome.FAILED)
    ]
    bare = tuple(stay.endpoint for stay in decided if stay.evidence is None)
    yield _check("evidence", not bare, bare, events)
    forgotten = sorted(
        {endpoint for (endpoint, _), arms in record.figures.items() if arms.forgotten}
    )
    yield _check("ledger", not forgotten, tuple(forgotten), events)
    counts = [counted_in_all(record, sources, e) for e in record.endpoints]
    yield _check("edges", True, Number(_at_edges(record)), *counts)
    dropped = sum(arm.counts["dropped"] for arms in record.totals.values() for _, arm in arms.both)
    yield _check("dropped", not dropped, Number(dropped), *counts)


def _check(name: str, is_good: bool, found: Value, *sources: int) -> tuple[Cell, ...]:
    tone = Tone.GOOD if is_good else Tone.WARN
    return (
        cell(Text(f"check.{name}")),
        cell(Text("yes" if is_good else "no"), tone=tone),
        cell(found, *sources),
    )


def _at_edges(record: RunRecord) -> int:
    """The domain's requests in no stage: in buckets that one began in, or after the last one."""
    total = sum(arms.domain.counts["requests"] for arms in record.totals.values())
    return total - sum(arms.domain.counts["requests"] for arms in record.figures.values())


def fallbacks(record: RunRecord, sources: Sources) -> Section:
    """Every way back there is, and whether this run has shown that it works."""
    counts = [counted_in_all(record, sources, e) for e in record.endpoints]
    around = sources.around(record.since, record.until)
    fell_back = sum(arms.legacy.counts["fallbacks"] for arms in record.totals.values())
    causes = {
        cause: sum(arms.domain.failures[cause] for arms in record.totals.values())
        for cause in ("error", "timeout", "contract")
    }
    rolled_back = sum(event.kind is EventKind.ROLLBACK for event in record.around)
    failed = sum(event.kind is EventKind.FAIL for event in record.events)
    used = {
        "fallback": cell(Text("used", {"n": Number(fell_back)}), *counts),
        "deadline": cell(Text("used", {"n": Number(causes["timeout"])}), *counts),
        "contract": cell(Text("used", {"n": Number(causes["contract"])}), *counts),
        "stage": cell(Text("used", {"n": Number(failed)}), sources.events()),
        "rollback": cell(Text("used", {"n": Number(rolled_back)}), around),
        "kill_switch": cell(Text("unrecorded"), tone=Tone.WARN),
    }
    rows = tuple(
        (cell(Text(f"fallback.{name}")), cell(Text(f"fallback.{name}.how")), use)
        for name, use in used.items()
    )
    columns = ("mechanism", "how", "in_this_run")
    return Section(key="fallbacks", blocks=(Table(key="fallbacks", columns=columns, rows=rows),))


def monitoring(record: RunRecord, sources: Sources) -> Section:
    """Rates of the whole run, and what workers said of themselves at each decision."""
    return Section(
        key="monitoring",
        blocks=(
            _rates(record, sources),
            Paragraph(cells=(cell(Text("monitoring.vitals")),)),
            _vitals(record, sources),
            Paragraph(cells=(cell(Text("monitoring.missing"), tone=Tone.WARN),)),
        ),
    )


def _rates(record: RunRecord, sources: Sources) -> Table:
    seconds = covered(record.since, record.until)
    rows = []
    for endpoint in record.endpoints:
        source = counted_in_all(record, sources, endpoint)
        timed = sources.percentiles(endpoint, record.since, record.until)
        for arm, found in record.totals[endpoint].both:
            counts, latency = found.counts, found.latency
            requests = counts["requests"]
            shares = (
                100 * counts[name] / requests if requests else None
                for name in ("client_errors", "server_errors")
            )
            rows.append(
                (
                    cell(endpoint),
                    cell(Text(f"arm.{arm.value}")),
                    cell(requests / seconds if seconds else None, source, unit=Unit.RATE),
                    *(cell(share, source, unit=Unit.PERCENT) for share in shares),
                    *(
                        cell(value, timed, unit=Unit.MS)
                        for value in (latency.p50_ms, latency.p95_ms, latency.p99_ms)
                    ),
                    cell(failures(found.failures.items()), source),
                )
            )
    columns = (
        "endpoint",
        "arm",
        "rate",
        "client_error_rate",
        "server_error_rate",
        "p50",
        "p95",
        "p99",
        "failures",
    )
    return Table(key="rates", columns=columns, rows=tuple(rows))


def _vitals(record: RunRecord, sources: Sources) -> Table:
    rows = []
    decided = sorted((s.stage, s.decided.id, s) for s in record.stays if s.decided and s.evidence)
    for _, _, stay in {stage: (stage, event, s) for stage, event, s in decided}.values():
        assert stay.evidence is not None
        assert stay.decided is not None
        source = sources.event(stay.decided)
        vitals = [worker.vitals for worker in stay.evidence.workers]
        memory = [found[MEMORY_BYTES] for found in vitals if MEMORY_BYTES in found]
        open_ = [n for v in vitals for name, n in v.items() if name.endswith(("_in_use", "_idle"))]
        rows.append(
            (
                cell(stay.percent, unit=Unit.PERCENT),
                cell(len(vitals), source),
                cell(sum(memory) if memory else None, source, unit=Unit.BYTES),
                cell(max(memory) if memory else None, source, unit=Unit.BYTES),
                cell(int(sum(open_)) if open_ else None, source),
            )
        )
    columns = ("stage", "workers", "memory", "memory_most", "connections")
    return Table(key="vitals", columns=columns, rows=tuple(rows))


def thresholds(record: RunRecord, sources: Sources) -> Section:
    """From where on who does what."""
    plan = record.run.plan
    start = sources.event(record.events[0])
    rows = [
        (
            cell(Text(f"signal.{signal.value}")),
            cell(Text(f"signal.{signal.value}.fires")),
            cell(Text(f"guard_verdict.{VERDICTS[signal].value}")),
            cell(in_a_line(PARAMETERS[signal]), sources.code("canary/alarms.py: PARAMETERS")),
        )
        for signal in Signal
    ]
    points = {"points": Number(ADVANCE_POINTS), "cost": Number(ADVANCE_COST)}
    latency = {
        "limit": Number(LIMIT_MS, Unit.MS),
        "ratio": Number(LATE_RATIO),
        "runs": Number(SAMPLE),
    }
    demands = (
        cell(Text("threshold.points", points), sources.code("canary/guard.py: ADVANCE_POINTS")),
        cell(Text("threshold.latency", latency), sources.code("rollout/latency.py: LIMIT_MS")),
        cell(Text("threshold.requests", {"n": Number(plan.min_requests)}), start),
        cell(Text("threshold.comparisons", {"n": Number(plan.min_comparisons)}), start),
        cell(Text("threshold.mismatches"), sources.code("rollout/gates.py: judge")),
    )
    columns = ("signal", "fires", "effect", "parameters")
    return Section(
        key="thresholds",
        blocks=(
            Table(key="thresholds", columns=columns, rows=tuple(rows)),
            Paragraph(cells=(cell(Text("thresholds.gates")),)),
            Paragraph(cells=demands, listed=True),
        ),
    )
