"""Reads the record of a run: counts from the ledger, everything else from the run's events.

Mismatches and branches come from the events, because the store has only their present state. If
the ledger no longer holds what a decision was based on, the figures come from its event.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from detection_api.canary.state import (
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
    EPOCH,
    OUTCOMES,
    ChartPoint,
    EndpointRecord,
    Figures,
    RunRecord,
    StageInterval,
    next_bucket,
    recorded_evidence,
)
from detection_api.rollout.run import Run

SLICE = timedelta(hours=1)
"""How much of the ledger is read at once."""
POINTS = 60
"""A chart has at most this many points."""

Stage = tuple[RolloutEvent, RolloutEvent | None]
"""A STAGE event, and the event that decided the stage."""


def read(store: Store, run: Run) -> RunRecord:
    """Read the record of a run."""
    return _Loader(store, run).record()


class _Loader:
    """Reads the events, adds up the ledger, and builds the record from both.

    `_sums` are counts by endpoint, arm and part of the run. A part is the whole run by its id, a
    stage by the id of its STAGE event, or a chart point by its time.
    """

    def __init__(self, store: Store, run: Run) -> None:
        self._run = run
        self._events = sorted(store.events(limit=None), key=lambda event: event.id)
        self._own = tuple(event for event in self._events if run.id in (event.run, event.id))
        self._since = EPOCH + (_at(self._own[0]) - EPOCH) // BUCKET * BUCKET
        self._until = _at(run.end) if run.end else _newest(store, self._own)
        self._step = BUCKET * max(1, -(-(self._until - self._since) // (BUCKET * POINTS)))
        self._stages = list(_stages(self._own))
        self._sums: dict[tuple[str, str, int | datetime], Tally] = defaultdict(Tally)
        for row in _rows(store, self._since, self._until):
            self._add(row)

    def record(self) -> RunRecord:
        """Return the record."""
        return RunRecord(
            run=self._run,
            since=self._since,
            until=self._until,
            step=self._step,
            events=self._own,
            other_events=tuple(event for event in self._events if self._is_related(event)),
            endpoints=tuple(map(self._endpoint, sorted(self._run.plan.endpoints))),
        )

    def _add(self, row: LedgerRow) -> None:
        """Add a row to the whole run, to the stage it is in, and to its chart point."""
        point = self._since + (row.bucket - self._since) // self._step * self._step
        parts: list[int | datetime] = [self._run.id, point]
        parts += (
            opened.id
            for opened, decision in self._stages
            if row.endpoint == opened.endpoint
            and row.bucket >= _at(opened)
            and (decision is None or row.bucket < _at(decision))
        )
        for part in parts:
            self._sums[row.endpoint, row.arm, part].add(row.tally)

    def _is_related(self, event: RolloutEvent) -> bool:
        """Return whether someone else's event is about the run's endpoints while it goes on."""
        start = self._own[0]
        return (
            event not in self._own
            and event.endpoint in (start.endpoint, *self._run.plan.endpoints)
            and event.id > start.id
            and _at(start) <= _at(event) <= self._until
        )

    def _endpoint(self, name: str) -> EndpointRecord:
        stages = tuple(self._stage(*stage) for stage in self._stages if stage[0].endpoint == name)
        is_recorded = any(stage.figures.is_recorded for stage in stages)
        return EndpointRecord(
            name=name,
            progress=self._run.progress[name],
            stages=stages,
            figures=Figures(
                endpoint=name,
                since=self._since,
                until=self._until,
                arms=_total(stages) if is_recorded else self._arms(name, self._run.id),
                is_recorded=is_recorded,
            ),
            points=tuple(self._points(name)),
        )

    def _stage(self, opened: RolloutEvent, decision: RolloutEvent | None) -> StageInterval:
        arms = self._arms(opened.endpoint, opened.id)
        evidence = recorded_evidence(decision)
        recorded = {Arm.DOMAIN: evidence.domain, Arm.LEGACY: evidence.legacy} if evidence else {}
        is_recorded = any(_lacks(arms[arm], recorded[arm]) for arm in recorded)
        return StageInterval(
            endpoint=opened.endpoint,
            stage=opened.evidence["stage"],
            percent=opened.evidence["percent"],
            opened=opened,
            decision=decision,
            figures=Figures(
                endpoint=opened.endpoint,
                since=_at(opened),
                until=_at(decision) if decision else self._until,
                arms=recorded if is_recorded else arms,
                is_recorded=is_recorded,
                decision=decision,
            ),
        )

    def _arms(self, endpoint: str, part: int) -> dict[Arm, ArmEvidence]:
        return {arm: arm_evidence(self._sums.get((endpoint, arm, part), Tally())) for arm in Arm}

    def _points(self, endpoint: str) -> Iterator[ChartPoint]:
        """Yield the points of a chart. The last one ends with the run's last bucket."""
        end = next_bucket(self._until)
        parts = {part for name, _, part in self._sums if name == endpoint}
        for at in sorted(part for part in parts if isinstance(part, datetime)):
            yield ChartPoint(
                at=at,
                seconds=min(self._step, end - at).total_seconds(),
                domain=self._sums.get((endpoint, Arm.DOMAIN, at), Tally()),
                legacy=self._sums.get((endpoint, Arm.LEGACY, at), Tally()),
            )


def _at(event: RolloutEvent) -> datetime:
    assert event.at is not None, "the store sets the time of every event"
    return event.at.astimezone(UTC)


def _newest(store: Store, own: Sequence[RolloutEvent]) -> datetime:
    """Return the time of a run's newest event, or the end of the newest ledger bucket if later."""
    rows = store.ledger(max(_at(own[-1]) - BUCKET, store.now() - SLICE))
    return max([_at(own[-1]), *(row.bucket.astimezone(UTC) + BUCKET for row in rows)])


def _stages(own: Iterable[RolloutEvent]) -> Iterator[Stage]:
    opened: dict[str, RolloutEvent] = {}
    for event in own:
        if event.kind is EventKind.STAGE:
            opened[event.endpoint] = event
        elif event.kind in OUTCOMES and event.endpoint in opened:
            yield opened.pop(event.endpoint), event
    for event in opened.values():
        yield event, None


def _rows(store: Store, since: datetime, until: datetime) -> Iterator[LedgerRow]:
    while since < until:
        yield from store.ledger(since, min(since + SLICE, until))
        since += SLICE


def _lacks(ledger: ArmEvidence, recorded: ArmEvidence) -> bool:
    return any(ledger.counts[name] < count for name, count in recorded.counts.items())


def _total(stages: Iterable[StageInterval]) -> dict[Arm, ArmEvidence]:
    """Return the sum of the stages' counts. It has no percentiles: they cannot be added."""
    totals = {arm: Tally() for arm in Arm}
    for stage in stages:
        for arm, total in totals.items():
            total.add(convert(stage.figures.arms[arm].counts, Tally))
    return {arm: arm_evidence(total) for arm, total in totals.items()}
