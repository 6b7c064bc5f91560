"""The first lines of the report: how the run ended, what failed, what is unproven; pure."""

from collections.abc import Iterator

from detection_api.canary.state import EventKind
from detection_api.rollout.report.document import (
    Cell,
    Facts,
    Number,
    Row,
    Section,
    Sentences,
    Table,
    Text,
    Tone,
    Unit,
    bad_count,
    cell,
    listed,
)
from detection_api.rollout.report.record import EndpointRecord, RunRecord
from detection_api.rollout.report.sections.verdicts import (
    failures,
    reasons,
    sum_of_causes,
    untested_branches,
    verdict,
)
from detection_api.rollout.report.sources import Sources
from detection_api.rollout.run import Completion, Phase


def lead(record: RunRecord, sources: Sources) -> tuple[Cell, ...]:
    """Return the first lines: how the run ended, each endpoint behind, and the failures."""
    return _completion(record, sources), *_behind(record, sources), _failures(record, sources)


def _completion(record: RunRecord, sources: Sources) -> Cell:
    run = record.run
    passed = sum(progress.phase is Phase.DONE for progress in run.progress.values())
    facts: Facts = {
        "n": Number(len(run.progress)),
        "passed": Number(passed),
        "percent": Number(run.plan.stages[-1], Unit.PERCENT),
    }
    if run.end is None:
        text = Text("lead.running", {**facts, "until": record.until})
        return cell(text, sources.events(), tone=Tone.WARN)
    completion = Completion(run.end.evidence["completion"])
    tone = Tone.GOOD if completion is Completion.COMPLETE else Tone.BAD
    return cell(Text(f"lead.{completion.value}", facts), sources.event(run.end), tone=tone)


def _behind(record: RunRecord, sources: Sources) -> Iterator[Cell]:
    """Yield the endpoints that have not reached the end. The domain's failures come first."""
    for tone in (Tone.BAD, Tone.WARN):
        for endpoint in record.endpoints:
            text, own_tone = verdict(record, endpoint)
            if own_tone is tone:
                why = reasons(endpoint)
                facts: Facts = {
                    "endpoint": endpoint.name,
                    "verdict": text,
                    "reasons": Sentences(why),
                }
                key = "lead.behind" if why else "lead.undecided"
                yield cell(Text(key, facts), sources.event(endpoint.progress.event), tone=tone)


def _failures(record: RunRecord, sources: Sources) -> Cell:
    figures = [endpoint.figures for endpoint in record.endpoints]
    numbers = [sources.counts(each) for each in figures]
    causes = sum_of_causes(each.domain.failures for each in figures)
    failed, requests = sum(causes.values()), sum(f.domain.counts["requests"] for f in figures)
    if not requests:
        return cell(Text("lead.no_traffic"), *numbers, tone=Tone.BAD)
    facts: Facts = {
        "n": Number(failed),
        "requests": Number(requests),
        "fallbacks": Number(sum(f.legacy.counts["fallbacks"] for f in figures)),
        "causes": failures(causes),
    }
    key, tone = ("lead.failures", Tone.BAD) if failed else ("lead.no_failures", Tone.GOOD)
    return cell(Text(key, facts), *numbers, tone=tone)


def unproven(record: RunRecord, sources: Sources) -> Section:
    """Return what this run has not proven."""
    return Section(key="unproven", blocks=(listed(*_unproven(record, sources)),))


def _unproven(record: RunRecord, sources: Sources) -> Iterator[Cell]:
    for endpoint in record.endpoints:
        if missing := _missing_stages(record, endpoint):
            text = Text("unproven.stages", {"endpoint": endpoint.name, "stages": missing})
            yield cell(text, sources.events(), tone=Tone.WARN)
    for endpoint in record.endpoints:
        if branches := untested_branches(endpoint):
            facts: Facts = {"endpoint": endpoint.name, "branches": sorted(branches)}
            source = sources.event(next(iter(branches.values())))
            yield cell(Text("unproven.branches", facts), source, tone=Tone.WARN)
        for stage in endpoint.stages:
            if stage.figures.is_recorded:
                facts = {"endpoint": endpoint.name, "percent": Number(stage.percent, Unit.PERCENT)}
                source = sources.event(stage.decision)
                yield cell(Text("unproven.recorded", facts), source, tone=Tone.WARN)
    if not record.run.plan.verify_urls:
        source = sources.event(record.events[0])
        yield cell(Text("unproven.verification"), source, tone=Tone.WARN)
    yield cell(Text("unproven.outside"))


def _missing_stages(record: RunRecord, endpoint: EndpointRecord) -> list[Number]:
    """Return the percent of each stage that an endpoint has not passed."""
    plan = record.run.plan
    passed = {
        event.evidence["stage"]
        for event in record.events
        if event.endpoint == endpoint.name and event.kind is EventKind.PASS
    }
    return [
        Number(percent, Unit.PERCENT)
        for stage, percent in enumerate(plan.stages, 1)
        if stage >= plan.first_stage(endpoint.name) and stage not in passed
    ]


def verdicts(record: RunRecord, sources: Sources) -> Section:
    """Return the verdict on each endpoint, one row each."""
    rows = tuple(_verdict_row(record, sources, endpoint) for endpoint in record.endpoints)
    return Section(key="verdicts", blocks=(Table(key="verdicts", rows=rows),))


def _verdict_row(record: RunRecord, sources: Sources, endpoint: EndpointRecord) -> Row:
    text, tone = verdict(record, endpoint)
    figures = endpoint.figures
    counts, percentiles = sources.counts(figures), sources.percentiles(figures)
    evidences = [evidence for _, _, evidence in endpoint.decided]
    mismatches = sum(found.count for evidence in evidences for found in evidence.mismatches)
    return {
        "endpoint": cell(endpoint.name),
        "verdict": cell(text, sources.event(endpoint.progress.event), tone=tone),
        "requests": cell(figures.domain.counts["requests"], counts),
        "failures": bad_count(sum(figures.domain.failures.values()), counts),
        "fallbacks": cell(figures.legacy.counts["fallbacks"], counts),
        "mismatches": bad_count(mismatches, sources.events()) if evidences else cell(None),
        "domain_p95": cell(figures.domain.latency.p95_ms, percentiles, unit=Unit.MS),
        "legacy_p95": cell(figures.legacy.latency.p95_ms, percentiles, unit=Unit.MS),
    }
