"""Puts the document together. Its order is that of a reader who stops reading anywhere; pure."""

from detection_api.rollout.report import endpoints, follow_ups, opening, running, stages
from detection_api.rollout.report.model import Document, Say
from detection_api.rollout.report.record import Record
from detection_api.rollout.report.sources import Sources


def assemble(record: Record) -> Document:
    """The report of a run."""
    sources = Sources(record.run.id)
    lead = opening.lead(record, sources)
    sections = (
        opening.unproven(record, sources),
        opening.verdicts(record, sources),
        stages.scope(record, sources),
        stages.stages(record, sources),
        endpoints.endpoints(record, sources),
        running.decisions(record, sources),
        running.completeness(record, sources),
        running.fallbacks(record, sources),
        running.monitoring(record, sources),
        running.thresholds(record, sources),
        follow_ups.follow_ups(record, sources),
    )
    return Document(
        title=Say("title", {"run": str(record.run.id)}),
        lead=lead,
        sections=sections,
        sources=sources.all,
    )
