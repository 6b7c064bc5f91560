"""Who did what when, whether the record is whole, and how it is run; pure."""

from collections.abc import Iterator

from detection_api.canary.alarms import PARAMETERS, VERDICTS, Signal
from detection_api.canary.guard import ADVANCE_COST, ADVANCE_POINTS, LATE_RATIO
from detection_api.canary.store import DEFAULT, Event, EventKind
from detection_api.rollout.latency import LIMIT_MS, SAMPLE
from detection_api.rollout.report.judging import failures
from detection_api.rollout.report.model import (
    Number,
    Paragraph,
    Say,
    Section,
    Table,
    Told,
    Tone,
    Unit,
    Value,
    told,
)
from detection_api.rollout.report.record import Outcome, Record, covered
from detection_api.rollout.report.sources import Sources
from detection_api.rollout.report.stages import counted_in_all
from detection_api.rollout.text import evidence as in_a_line
from detection_api.vitals import MEMORY_BYTES


def decisions(record: Record, sources: Sources) -> Section:
    """Everything that was done and decided, by whom and why, oldest first."""
    events = sorted((*record.events, *record.around), key=lambda event: event.id)
    rows = tuple(_decision(sources, event) for event in events)
    columns = ("at", "endpoint", "event", "by", "reason", "evidence")
    return Section(key="decisions", blocks=(Table(key="decisions", columns=columns, rows=rows),))


def _decision(sources: Sources, event: Event) -> tuple[Told, ...]:
    endpoint: Value = Say("every_endpoint") if event.endpoint == DEFAULT else event.endpoint
    return (
        told(event.at, sources.event(event)),
        told(endpoint),
        told(Say(f"event.{event.kind.value}")),
        told(event.by),
        told(event.reason or None),
        told(in_a_line(event.evidence) or None),
    )


def completeness(record: Record, sources: Sources) -> Section:
    """Whether the record of the run is whole."""
    rows = tuple(_checks(record, sources))
    columns = ("check", "outcome", "found")
    return Section(
        key="completeness", blocks=(Table(key="completeness", columns=columns, rows=rows),)
    )


def _checks(record: Record, sources: Sources) -> Iterator[tuple[Told, ...]]:
    stays, events = record.stays, sources.events()
    undecided = tuple(s.endpoint for s in stays if s.outcome is Outcome.OPEN)
    yield _check("ended", record.run.end is not None, record.until, events)
    yield _check("decided", not undecided, undecided, events)
    decided = [stay for stay in stays if stay.outcome in (Outcome.PASSED, Outcome.FAILED)]
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


def _check(name: str, is_good: bool, found: Value, *sources: int) -> tuple[Told, ...]:
    tone = Tone.GOOD if is_good else Tone.WARN
    return (
        told(Say(f"check.{name}")),
        told(Say("yes" if is_good else "no"), tone=tone),
        told(found, *sources),
    )


def _at_edges(record: Record) -> int:
    """The domain's requests in no stage: in buckets that one began in, or after the last one."""
    total = sum(arms.domain.counts["requests"] for arms in record.totals.values())
    return total - sum(arms.domain.counts["requests"] for arms in record.figures.values())


def fallbacks(record: Record, sources: Sources) -> Section:
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
        "fallback": told(Say("used", {"n": Number(fell_back)}), *counts),
        "deadline": told(Say("used", {"n": Number(causes["timeout"])}), *counts),
        "contract": told(Say("used", {"n": Number(causes["contract"])}), *counts),
        "stage": told(Say("used", {"n": Number(failed)}), sources.events()),
        "rollback": told(Say("used", {"n": Number(rolled_back)}), around),
        "kill_switch": told(Say("unrecorded"), tone=Tone.WARN),
    }
    rows = tuple(
        (told(Say(f"fallback.{name}")), told(Say(f"fallback.{name}.how")), use)
        for name, use in used.items()
    )
    columns = ("mechanism", "how", "in_this_run")
    return Section(key="fallbacks", blocks=(Table(key="fallbacks", columns=columns, rows=rows),))


def monitoring(record: Record, sources: Sources) -> Section:
    """Rates of the whole run, and what workers said of themselves at each decision."""
    return Section(
        key="monitoring",
        blocks=(
            _rates(record, sources),
            Paragraph(told=(told(Say("monitoring.vitals")),)),
            _vitals(record, sources),
            Paragraph(told=(told(Say("monitoring.missing"), tone=Tone.WARN),)),
        ),
    )


def _rates(record: Record, sources: Sources) -> Table:
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
                    told(endpoint),
                    told(Say(f"arm.{arm.value}")),
                    told(requests / seconds if seconds else None, source, unit=Unit.RATE),
                    *(told(share, source, unit=Unit.PERCENT) for share in shares),
                    *(
                        told(value, timed, unit=Unit.MS)
                        for value in (latency.p50_ms, latency.p95_ms, latency.p99_ms)
                    ),
                    told(failures(found.failures.items()), source),
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


def _vitals(record: Record, sources: Sources) -> Table:
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
                told(stay.percent, unit=Unit.PERCENT),
                told(len(vitals), source),
                told(sum(memory) if memory else None, source, unit=Unit.BYTES),
                told(max(memory) if memory else None, source, unit=Unit.BYTES),
                told(int(sum(open_)) if open_ else None, source),
            )
        )
    columns = ("stage", "workers", "memory", "memory_most", "connections")
    return Table(key="vitals", columns=columns, rows=tuple(rows))


def thresholds(record: Record, sources: Sources) -> Section:
    """From where on who does what."""
    plan = record.run.plan
    start = sources.event(record.events[0])
    rows = [
        (
            told(Say(f"signal.{signal.value}")),
            told(Say(f"signal.{signal.value}.fires")),
            told(Say(f"guard_verdict.{VERDICTS[signal].value}")),
            told(in_a_line(PARAMETERS[signal]), sources.code("canary/alarms.py: PARAMETERS")),
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
        told(Say("threshold.points", points), sources.code("canary/guard.py: ADVANCE_POINTS")),
        told(Say("threshold.latency", latency), sources.code("rollout/latency.py: LIMIT_MS")),
        told(Say("threshold.requests", {"n": Number(plan.min_requests)}), start),
        told(Say("threshold.comparisons", {"n": Number(plan.min_comparisons)}), start),
        told(Say("threshold.mismatches"), sources.code("rollout/gates.py: judge")),
    )
    columns = ("signal", "fires", "effect", "parameters")
    return Section(
        key="thresholds",
        blocks=(
            Table(key="thresholds", columns=columns, rows=tuple(rows)),
            Paragraph(told=(told(Say("thresholds.gates")),)),
            Paragraph(told=demands, listed=True),
        ),
    )
