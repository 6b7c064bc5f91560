"""The work that remains after the run; pure."""

from collections.abc import Iterator

from detection_api.rollout.report.document import (
    Cell,
    Facts,
    Number,
    Section,
    Text,
    Tone,
    cell,
    listed,
)
from detection_api.rollout.report.record import EndpointRecord, RunRecord
from detection_api.rollout.report.sections.verdicts import untested_branches, verdict
from detection_api.rollout.report.sources import Sources
from detection_api.rollout.retirement import QUIET
from detection_api.rollout.run import Phase

_BY_PHASE = {
    Phase.FAILED: "follow_up.failed",
    Phase.LEFT: "follow_up.left",
    Phase.WAITING: "follow_up.open",
    Phase.BAKING: "follow_up.open",
}


def follow_ups(record: RunRecord, sources: Sources) -> Section:
    """Return one item for each thing to do."""
    return Section(key="follow_ups", blocks=(listed(*_items(record, sources)),))


def _items(record: RunRecord, sources: Sources) -> Iterator[Cell]:
    for endpoint in record.endpoints:
        yield from _of_endpoint(record, sources, endpoint)
    if any(stage.figures.is_recorded for stage in record.stages):
        yield cell(Text("follow_up.retention"))
    done = tuple(e.name for e in record.endpoints if e.progress.phase is Phase.DONE)
    if done and record.run.plan.stages[-1] == 100:  # noqa: PLR2004 - percent
        yield cell(Text("follow_up.assess", {"endpoints": done, "n": Number(QUIET.days)}))


def _of_endpoint(record: RunRecord, sources: Sources, endpoint: EndpointRecord) -> Iterator[Cell]:
    facts: Facts = {"endpoint": endpoint.name}
    key = _BY_PHASE.get(endpoint.progress.phase)
    if key or verdict(record, endpoint)[1] is Tone.BAD:
        source = sources.event(endpoint.progress.event)
        yield cell(Text(key or "follow_up.failed", facts), source, tone=Tone.WARN)
    if branches := untested_branches(endpoint):
        source = sources.event(next(iter(branches.values())))
        yield cell(Text("follow_up.branches", facts), source)
    for _, decision, evidence in endpoint.decided[-1:]:
        for difference in evidence.accepted:
            about: Facts = {"path": difference.path, "expires": difference.expires_at}
            yield cell(Text("follow_up.accepted", {**facts, **about}), sources.event(decision))
