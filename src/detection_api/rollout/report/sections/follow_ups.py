"""What is to be done after the run, derived from what it has shown; pure."""

from collections.abc import Iterator

from detection_api.rollout.report.document import (
    Cell,
    Facts,
    Number,
    Paragraph,
    Section,
    Text,
    Tone,
    cell,
)
from detection_api.rollout.report.record import RunRecord
from detection_api.rollout.report.sections.verdicts import untouched, verdict
from detection_api.rollout.report.sources import Sources
from detection_api.rollout.retirement import QUIET
from detection_api.rollout.run import Phase

_BY_PHASE = {
    Phase.FAILED: "follow.failed",
    Phase.LEFT: "follow.left",
    Phase.WAITING: "follow.open",
    Phase.BAKING: "follow.open",
}


def follow_ups(record: RunRecord, sources: Sources) -> Section:
    """One line for each thing to do."""
    return Section(
        key="follow_ups", blocks=(Paragraph(cells=tuple(_all(record, sources)), listed=True),)
    )


def _all(record: RunRecord, sources: Sources) -> Iterator[Cell]:
    run = record.run
    for endpoint in record.endpoints:
        progress = run.progress[endpoint]
        facts: Facts = {"endpoint": endpoint}
        source = sources.event(progress.event) if progress.event else sources.events()
        if key := _BY_PHASE.get(progress.phase):
            yield cell(Text(key, facts), source, tone=Tone.WARN)
        elif verdict(record, endpoint)[1] is Tone.BAD:
            yield cell(Text("follow.failed", facts), source, tone=Tone.WARN)
        stays = record.of(endpoint)
        if untouched(stays):
            yield cell(Text("follow.branches", facts), source)
        yield from _accepted(record, sources, endpoint)
    if any(arms.forgotten for arms in record.figures.values()):
        yield cell(Text("follow.retention"))
    done = tuple(e for e in record.endpoints if run.progress[e].phase is Phase.DONE)
    if done and run.plan.stages[-1] == 100:  # noqa: PLR2004 - percent
        yield cell(Text("follow.assess", {"endpoints": done, "n": Number(QUIET.days)}))


def _accepted(record: RunRecord, sources: Sources, endpoint: str) -> Iterator[Cell]:
    decided = [s for s in record.of(endpoint) if s.evidence and s.decided]
    if decided and (last := decided[-1]).evidence and last.decided:
        for difference in last.evidence.accepted:
            facts: Facts = {
                "endpoint": endpoint,
                "path": difference.path,
                "expires": difference.expires_at,
            }
            yield cell(Text("follow.accepted", facts), sources.event(last.decided))
