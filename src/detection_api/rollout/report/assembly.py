"""Puts the report of a run together. The most important sections come first; pure."""

from detection_api.rollout.report.document import Document, Text
from detection_api.rollout.report.record import RunRecord
from detection_api.rollout.report.sections import endpoints, follow_ups, operations, stages, summary
from detection_api.rollout.report.sources import Sources

SECTIONS = (
    summary.unproven,
    summary.verdicts,
    stages.scope,
    stages.stages,
    endpoints.endpoints,
    operations.decisions,
    operations.completeness,
    operations.fallbacks,
    operations.monitoring,
    operations.thresholds,
    follow_ups.follow_ups,
)


def assemble(record: RunRecord) -> Document:
    """Return the report of a run."""
    sources = Sources(record)
    return Document(
        title=Text("title", {"run": str(record.run.id)}),
        lead=summary.lead(record, sources),
        sections=tuple(section(record, sources) for section in SECTIONS),
        sources=sources.all,
    )
