"""What is to be done after the run, derived from what it has shown; pure."""

from collections.abc import Iterator

from detection_api.rollout.assessment import QUIET
from detection_api.rollout.report.judging import untouched, verdict
from detection_api.rollout.report.model import (
    Facts,
    Number,
    Paragraph,
    Say,
    Section,
    Told,
    Tone,
    told,
)
from detection_api.rollout.report.record import Record
from detection_api.rollout.report.sources import Sources
from detection_api.rollout.run import Phase

_BY_PHASE = {
    Phase.FAILED: "follow.failed",
    Phase.LEFT: "follow.left",
    Phase.WAITING: "follow.open",
    Phase.BAKING: "follow.open",
}


def follow_ups(record: Record, sources: Sources) -> Section:
    """One line for each thing to do."""
    return Section(
        key="follow_ups", blocks=(Paragraph(told=tuple(_all(record, sources)), listed=True),)
    )


def _all(record: Record, sources: Sources) -> Iterator[Told]:
    run = record.run
    for endpoint in record.endpoints:
        progress = run.progress[endpoint]
        facts: Facts = {"endpoint": endpoint}
        source = sources.event(progress.event) if progress.event else sources.events()
        if key := _BY_PHASE.get(progress.phase):
            yield told(Say(key, facts), source, tone=Tone.WARN)
        elif verdict(record, endpoint)[1] is Tone.BAD:
            yield told(Say("follow.failed", facts), source, tone=Tone.WARN)
        stays = record.of(endpoint)
        if untouched(stays):
            yield told(Say("follow.branches", facts), source)
        yield from _accepted(record, sources, endpoint)
    if any(arms.forgotten for arms in record.figures.values()):
        yield told(Say("follow.retention"))
    done = tuple(e for e in record.endpoints if run.progress[e].phase is Phase.DONE)
    if done and run.plan.stages[-1] == 100:  # noqa: PLR2004 - percent
        yield told(Say("follow.assess", {"endpoints": done, "n": Number(QUIET.days)}))


def _accepted(record: Record, sources: Sources, endpoint: str) -> Iterator[Told]:
    decided = [s for s in record.of(endpoint) if s.evidence and s.decided]
    if decided and (last := decided[-1]).evidence and last.decided:
        for difference in last.evidence.accepted:
            facts: Facts = {
                "endpoint": endpoint,
                "path": difference.path,
                "expires": difference.expires_at,
            }
            yield told(Say("follow.accepted", facts), sources.event(last.decided))
