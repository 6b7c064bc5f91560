"""Reads the record of a run: counts from the ledger, all else from the run's events.

Mismatches, branches and workers as they are now say nothing of then. Where the ledger no longer
holds what a decision was based on, the figures are the decision's own, out of its event.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from detection_api.canary.state import (
    BUCKET_SECONDS,
    Arm,
    EventKind,
    LedgerRow,
    RolloutEvent,
    Store,
    Tally,
    convert,
)
from detection_api.rollout.gates import ArmEvidence, arm_evidence
from detection_api.rollout.report.record import (
    BUCKET,
    OUTCOMES,
    Arms,
    ChartPoint,
    RunRecord,
    StageInterval,
    next_bucket,
)
from detection_api.rollout.run import Run

SLICE = timedelta(hours=1)
"""How much of the ledger is read at once."""
POINTS = 60
"""So many points a chart has at most."""


@dataclass(slots=True)
class _Sums:
    """What is added up while the ledger is read."""

    stays: dict[tuple[str, int, str], Tally] = field(default_factory=dict)
    totals: dict[tuple[str, str], Tally] = field(default_factory=dict)
    points: dict[tuple[str, datetime, str], Tally] = field(default_factory=dict)


def read(store: Store, run: Run) -> RunRecord:
    """Read the record of a run."""
    events = tuple(sorted(store.events(limit=None), key=lambda event: event.id))
    own = tuple(event for event in events if run.id in (event.run, event.id))
    begun = _at(own[0])
    since = datetime.fromtimestamp(begun.timestamp() // BUCKET_SECONDS * BUCKET_SECONDS, UTC)
    until = _at(run.end) if run.end else _newest(store, own)
    stays = tuple(_stays(own, until))
    step = _step(until - since)
    sums = _Sums()
    for row in _rows(store, since, until):
        _add(sums, row, stays, since, step)
    figures = {(s.endpoint, s.stage): _figures(sums, s) for s in stays}
    return RunRecord(
        run=run,
        since=since,
        until=until,
        events=own,
        around=tuple(e for e in events if _is_around(e, own, run, until)),
        stays=stays,
        figures=figures,
        totals={e: _totals(sums, e, figures) for e in run.plan.endpoints},
        points={e: _points(sums, e, until, step) for e in run.plan.endpoints},
        step=step,
    )


def _at(event: RolloutEvent) -> datetime:
    assert event.at is not None, "the store gives every event its moment"
    return event.at.astimezone(UTC)


def _newest(store: Store, own: Sequence[RolloutEvent]) -> datetime:
    """The newest that is known of a run that goes on: of its events, and of the ledger."""
    rows = store.ledger(max(_at(own[-1]) - BUCKET, store.now() - SLICE))
    return max([_at(own[-1]), *(row.bucket.astimezone(UTC) + BUCKET for row in rows)])


def _stays(own: Iterable[RolloutEvent], until: datetime) -> Iterator[StageInterval]:
    opened: dict[str, RolloutEvent] = {}
    for event in own:
        if event.kind is EventKind.STAGE:
            opened[event.endpoint] = event
        elif event.kind in OUTCOMES and event.endpoint in opened:
            yield _stay(opened.pop(event.endpoint), event, until)
    for event in opened.values():
        yield _stay(event, None, until)


def _stay(opened: RolloutEvent, decided: RolloutEvent | None, until: datetime) -> StageInterval:
    return StageInterval(
        endpoint=opened.endpoint,
        stage=opened.evidence["stage"],
        percent=opened.evidence["percent"],
        since=_at(opened),
        until=_at(decided) if decided else until,
        opened=opened,
        decided=decided,
    )


def _step(length: timedelta) -> timedelta:
    """The least whole number of buckets of which POINTS are enough."""
    return BUCKET * max(1, -(-length // (BUCKET * POINTS)))


def _rows(store: Store, since: datetime, until: datetime) -> Iterator[LedgerRow]:
    while since < until:
        yield from store.ledger(since, min(since + SLICE, until))
        since += SLICE


def _add(
    sums: _Sums, row: LedgerRow, stays: Iterable[StageInterval], since: datetime, step: timedelta
) -> None:
    keys = [
        (row.endpoint, stay.stage, row.arm)
        for stay in stays
        if stay.endpoint == row.endpoint and stay.since <= row.bucket < stay.until
    ]
    at = since + (row.bucket - since) // step * step
    sums.totals.setdefault((row.endpoint, row.arm), Tally()).add(row.tally)
    sums.points.setdefault((row.endpoint, at, row.arm), Tally()).add(row.tally)
    for key in keys:
        sums.stays.setdefault(key, Tally()).add(row.tally)


def _figures(sums: _Sums, stay: StageInterval) -> Arms:
    """A stage's figures: the ledger's, unless it has less than the decision was based on."""
    found = {
        arm: arm_evidence(sums.stays.get((stay.endpoint, stay.stage, arm.value), Tally()))
        for arm in Arm
    }
    domain, legacy = found[Arm.DOMAIN], found[Arm.LEGACY]
    told = stay.evidence
    if told and (_lacks(domain, told.domain) or _lacks(legacy, told.legacy)):
        return Arms(domain=told.domain, legacy=told.legacy, forgotten=True)
    return Arms(domain=domain, legacy=legacy)


def _lacks(ledger: ArmEvidence, told: ArmEvidence) -> bool:
    return any(ledger.counts[name] < count for name, count in told.counts.items())


def _totals(sums: _Sums, endpoint: str, figures: Mapping[tuple[str, int], Arms]) -> Arms:
    """The whole run's figures; where parts are forgotten, those of the stages, added up."""
    stages = [arms for (name, _), arms in figures.items() if name == endpoint]
    if any(arms.forgotten for arms in stages):
        domain, legacy = (_added(getattr(arms, arm.value) for arms in stages) for arm in Arm)
        return Arms(domain=domain, legacy=legacy, forgotten=True)
    found = (sums.totals.get((endpoint, arm.value), Tally()) for arm in Arm)
    domain, legacy = map(arm_evidence, found)
    return Arms(domain=domain, legacy=legacy)


def _added(stages: Iterable[ArmEvidence]) -> ArmEvidence:
    """The counts of several; percentiles cannot be added."""
    total = Tally()
    for stage in stages:
        total.add(convert(stage.counts, Tally))
    return arm_evidence(total)


def _points(sums: _Sums, endpoint: str, until: datetime, step: timedelta) -> list[ChartPoint]:
    """The last one is shorter: to the end of the run's last bucket."""
    end = next_bucket(until)
    moments = sorted({at for name, at, _ in sums.points if name == endpoint})
    return [
        ChartPoint(
            at=at,
            seconds=min(step, end - at).total_seconds(),
            domain=sums.points.get((endpoint, at, Arm.DOMAIN.value), Tally()),
            legacy=sums.points.get((endpoint, at, Arm.LEGACY.value), Tally()),
        )
        for at in moments
    ]


def _is_around(event: RolloutEvent, own: Sequence[RolloutEvent], run: Run, until: datetime) -> bool:
    return (
        event not in own
        and (event.endpoint in run.plan.endpoints or event.endpoint == own[0].endpoint)
        and own[0].id < event.id
        and _at(own[0]) <= _at(event) <= until
    )
