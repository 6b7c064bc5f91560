"""Puts the document together. Its order is that of a reader who stops reading anywhere; pure."""

from detection_api.rollout.report.document import Document, Text
from detection_api.rollout.report.record import RunRecord
from detection_api.rollout.report.sections import endpoints, follow_ups, operations, stages, summary
from detection_api.rollout.report.sources import Sources


def assemble(record: RunRecord) -> Document:
    """The report of a run."""
    sources = Sources(record.run.id)
    lead = summary.lead(record, sources)
    sections = (
        summary.unproven(record, sources),
        summary.verdicts(record, sources),
        stages.scope(record, sources),
        stages.stages(record, sources),
        endpoints.endpoints(record, sources),
        operations.decisions(record, sources),
        operations.completeness(record, sources),
        operations.fallbacks(record, sources),
        operations.monitoring(record, sources),
        operations.thresholds(record, sources),
        follow_ups.follow_ups(record, sources),
    )
    return Document(
        title=Text("title", {"run": str(record.run.id)}),
        lead=lead,
        sections=sections,
        sources=sources.all,
    )
