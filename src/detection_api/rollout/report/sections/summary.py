"""The first lines: what became of the run, what failed, and what was not proven; pure."""

from collections.abc import Iterator

from detection_api.canary.state import EventKind, RolloutEvent
from detection_api.rollout.report.document import (
    Cell,
    Facts,
    Number,
    Paragraph,
    Section,
    Sentences,
    Table,
    Text,
    Tone,
    Unit,
    cell,
)
from detection_api.rollout.report.record import RunRecord
from detection_api.rollout.report.sections.stages import counted_in_all
from detection_api.rollout.report.sections.verdicts import failures, reasons, untouched, verdict
from detection_api.rollout.report.sources import Sources
from detection_api.rollout.run import Completion, Phase


def lead(record: RunRecord, sources: Sources) -> tuple[Cell, ...]:
    """The verdict: first what became of it, then every failure, then what it cost."""
    return (
        _completion(record, sources),
        *_behind(record, sources),
        _failed(record, sources),
    )


def _completion(record: RunRecord, sources: Sources) -> Cell:
    run = record.run
    passed = sum(progress.phase is Phase.DONE for progress in run.progress.values())
    facts: Facts = {
        "n": Number(len(run.progress)),
        "passed": Number(passed),
        "percent": Number(run.plan.stages[-1], Unit.PERCENT),
    }
    if run.end is None:
        return cell(
            Text("lead.running", {**facts, "until": record.until}), sources.events(), tone=Tone.WARN
        )
    completion = Completion(run.end.evidence["completion"])
    tone = Tone.GOOD if completion is Completion.COMPLETE else Tone.BAD
    return cell(Text(f"lead.{completion.value}", facts), sources.event(run.end), tone=tone)


def _behind(record: RunRecord, sources: Sources) -> Iterator[Cell]:
    """Everybody who is not at the end; those first of whom that is the domain's fault."""
    for tone in (Tone.BAD, Tone.WARN):
        for endpoint in record.endpoints:
            said, found = verdict(record, endpoint)
            if found is tone:
                event = record.run.progress[endpoint].event
                why = reasons(record, endpoint)
                facts: Facts = {"endpoint": endpoint, "verdict": said}
                facts["reasons"] = Sentences(why)
                key = "lead.behind" if why else "lead.undecided"
                source = sources.event(event) if event else sources.events()
                yield cell(Text(key, facts), source, tone=tone)


def _failed(record: RunRecord, sources: Sources) -> Cell:
    domain = [arms.domain for arms in record.totals.values()]
    legacy = [arms.legacy for arms in record.totals.values()]
    requests = sum(arm.counts["requests"] for arm in domain)
    causes = {
        cause: sum(arm.failures[cause] for arm in domain)
        for cause in ("error", "timeout", "contract")
    }
    n = sum(causes.values())
    facts: Facts = {
        "n": Number(n),
        "requests": Number(requests),
        "fallbacks": Number(sum(arm.counts["fallbacks"] for arm in legacy)),
        "causes": failures(causes.items()),
    }
    numbers = [counted_in_all(record, sources, e) for e in record.endpoints]
    if not requests:
        return cell(Text("lead.no_traffic"), *numbers, tone=Tone.BAD)
    return cell(
        Text("lead.failures" if n else "lead.no_failures", facts),
        *numbers,
        tone=Tone.BAD if n else Tone.GOOD,
    )


def unproven(record: RunRecord, sources: Sources) -> Section:
    """What this run has not shown."""
    found = tuple(_unproven(record, sources))
    nothing = (cell(Text("unproven.nothing")),)
    return Section(key="unproven", blocks=(Paragraph(cells=found or nothing, listed=bool(found)),))


def _unproven(record: RunRecord, sources: Sources) -> Iterator[Cell]:
    yield from _undone(record, sources)
    for endpoint in record.endpoints:
        stays = record.of(endpoint)
        if branches := untouched(stays):
            source = sources.event(next(iter(branches.values())).decided or stays[-1].opened)
            said = Text("unproven.branches", {"endpoint": endpoint, "branches": sorted(branches)})
            yield cell(said, source, tone=Tone.WARN)
        for stay in stays:
            if record.figures[endpoint, stay.stage].forgotten and stay.decided:
                percent = Number(stay.percent, Unit.PERCENT)
                said = Text("unproven.forgotten", {"endpoint": endpoint, "percent": percent})
                yield cell(said, sources.event(stay.decided), tone=Tone.WARN)
    yield from _unverified(record, sources)
    yield cell(Text("unproven.outside"))


def _undone(record: RunRecord, sources: Sources) -> Iterator[Cell]:
    """Stages that an endpoint has not passed."""
    for endpoint in record.endpoints:
        passed = {e.evidence["stage"] for e in _passes(record, endpoint)}
        first = record.run.plan.first_stage(endpoint)
        missing = [
            Number(percent, Unit.PERCENT)
            for number, percent in enumerate(record.run.plan.stages, 1)
            if number >= first and number not in passed
        ]
        if missing:
            said = Text("unproven.stages", {"endpoint": endpoint, "stages": missing})
            yield cell(said, sources.events(), tone=Tone.WARN)


def _passes(record: RunRecord, endpoint: str) -> Iterator[RolloutEvent]:
    return (e for e in record.events if e.endpoint == endpoint and e.kind is EventKind.PASS)


def _unverified(record: RunRecord, sources: Sources) -> Iterator[Cell]:
    if not record.run.plan.verify_urls:
        yield cell(Text("unproven.verification"), sources.event(record.events[0]), tone=Tone.WARN)


def verdicts(record: RunRecord, sources: Sources) -> Section:
    """One line an endpoint."""
    columns = (
        "endpoint",
        "verdict",
        "requests",
        "failures",
        "fallbacks",
        "mismatches",
        "domain_p95",
        "legacy_p95",
    )
    rows = tuple(_verdict_row(record, sources, endpoint) for endpoint in record.endpoints)
    return Section(key="verdicts", blocks=(Table(key="verdicts", columns=columns, rows=rows),))


def _verdict_row(record: RunRecord, sources: Sources, endpoint: str) -> tuple[Cell, ...]:
    said, tone = verdict(record, endpoint)
    event = record.run.progress[endpoint].event
    arms = record.totals[endpoint]
    counts = counted_in_all(record, sources, endpoint)
    percentiles = sources.percentiles(endpoint, record.since, record.until)
    failed = sum(arms.domain.failures.values())
    differing = [d for s in record.of(endpoint) if s.evidence for d in s.evidence.mismatches]
    is_known = any(stay.evidence for stay in record.of(endpoint))
    mismatches = sum(d.count for d in differing)
    return (
        cell(endpoint),
        cell(said, *([sources.event(event)] if event else [sources.events()]), tone=tone),
        cell(arms.domain.counts["requests"], counts),
        cell(failed, counts, tone=Tone.BAD if failed else Tone.PLAIN),
        cell(arms.legacy.counts["fallbacks"], counts),
        cell(
            mismatches if is_known else None,
            sources.events(),
            tone=Tone.BAD if mismatches else Tone.PLAIN,
        ),
        cell(arms.domain.latency.p95_ms, percentiles, unit=Unit.MS),
        cell(arms.legacy.latency.p95_ms, percentiles, unit=Unit.MS),
    )
