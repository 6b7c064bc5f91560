"""The traffic of one endpoint: a table by stage, and charts over time; pure."""

from collections.abc import Iterator, Sequence

from detection_api.canary.state import Arm, Tally, percentile
from detection_api.rollout.gates import LIMIT_MS
from detection_api.rollout.report.document import (
    Block,
    Chart,
    Facts,
    Number,
    Row,
    Table,
    Text,
    Tone,
    Unit,
    bad_count,
    cell,
)
from detection_api.rollout.report.record import EndpointRecord, RunRecord, StageInterval
from detection_api.rollout.report.sources import Sources


def traffic(record: RunRecord, sources: Sources, endpoint: EndpointRecord) -> Iterator[Block]:
    """Yield the table of both arms' figures by stage, and the charts of the whole run."""
    rows = tuple(_row(sources, stage, arm) for stage in endpoint.stages for arm in Arm)
    yield Table(key="traffic", rows=rows)
    if endpoint.points:
        yield _requests_chart(record, sources, endpoint)
        yield _p95_chart(sources, endpoint)


def _row(sources: Sources, stage: StageInterval, arm: Arm) -> Row:
    figures, found = stage.figures, stage.figures.arms[arm]
    source, percentiles = sources.counts(figures), sources.percentiles(figures)
    counts, requests, seconds = found.counts, found.counts["requests"], figures.seconds
    errors = counts["client_errors"] + counts["server_errors"]
    failed = sum(found.failures.values())
    tone = Tone.BAD if failed and arm is Arm.DOMAIN else Tone.PLAIN
    return {
        "stage": cell(stage.percent, unit=Unit.PERCENT),
        "arm": cell(Text(f"arm.{arm.value}")),
        "failures": cell(failed, source, tone=tone),
        "fallbacks": bad_count(counts["fallbacks"], source),
        "outages": bad_count(counts["outages"], source),
        "requests": cell(requests, source),
        "forced": cell(counts["forced"], source),
        "rate": cell(requests / seconds if seconds else None, source, unit=Unit.RATE),
        "client_errors": cell(counts["client_errors"], source),
        "server_errors": cell(counts["server_errors"], source),
        "error_rate": cell(
            100 * errors / requests if requests else None, source, unit=Unit.PERCENT
        ),
        "p50": cell(found.latency.p50_ms, percentiles, unit=Unit.MS),
        "p95": cell(found.latency.p95_ms, percentiles, unit=Unit.MS),
        "p99": cell(found.latency.p99_ms, percentiles, unit=Unit.MS),
    }


def _requests_chart(record: RunRecord, sources: Sources, endpoint: EndpointRecord) -> Chart:
    points = endpoint.points
    domain = [point.domain.requests / point.seconds for point in points]
    legacy = [point.legacy.requests / point.seconds for point in points]
    failed = [sum(point.domain.failures.values()) for point in points]
    rates = [count / point.seconds for count, point in zip(failed, points, strict=True)]
    facts: Facts = {
        "step": Number(record.step.total_seconds(), Unit.SECONDS),
        "domain": Number(max(domain), Unit.RATE),
        "legacy": Number(max(legacy), Unit.RATE),
        "failures": Number(sum(failed)),
    }
    return Chart(
        key="chart.traffic",
        name=endpoint.name,
        moments=tuple(point.at for point in points),
        lines={"arm.domain": domain, "arm.legacy": legacy, "chart.failures": rates},
        unit=Unit.RATE,
        text=cell(Text("chart.traffic.text", facts), sources.series(endpoint.figures)),
    )


def _p95_chart(sources: Sources, endpoint: EndpointRecord) -> Chart:
    points = endpoint.points
    domain = [_p95_ms(point.domain) for point in points]
    legacy = [_p95_ms(point.legacy) for point in points]
    facts: Facts = {
        "domain": _highest(domain),
        "legacy": _highest(legacy),
        "limit": Number(LIMIT_MS, Unit.MS),
    }
    return Chart(
        key="chart.p95",
        name=endpoint.name,
        moments=tuple(point.at for point in points),
        lines={"arm.domain": domain, "arm.legacy": legacy, "chart.limit": [LIMIT_MS] * len(points)},
        unit=Unit.MS,
        text=cell(Text("chart.p95.text", facts), sources.p95_series(endpoint.figures)),
    )


def _p95_ms(tally: Tally) -> float | None:
    seconds = percentile(tally.latency, 95)
    return None if seconds is None else seconds * 1000


def _highest(values: Sequence[float | None]) -> Number | None:
    known = [value for value in values if value is not None]
    return Number(max(known), Unit.MS) if known else None
