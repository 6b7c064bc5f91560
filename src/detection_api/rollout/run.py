"""A rollout run as its events tell it: its plan, and how far each endpoint is.

A run has no other record than its events, so that what is reported of it, and what it goes on with
after a crash, is what the audit says. Pure, but for `latest` and `load`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any, Self

import msgspec

from detection_api.canary.state import DEFAULT, EventKind, RolloutEvent, Store, convert


class OnFailure(Enum):
    """Where an endpoint goes that fails a stage."""

    PREVIOUS = "previous"
    """To the percent of the stage before; from the first one to what it had at the start."""
    ZERO = "zero"
    """To 0 percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is to do; the evidence of its START.

    `endpoints` are to go through `stages` (percent, ascending), each from the percent that it had
    at the start. `bake` and `patience` are seconds: what a stage takes at least, and after how
    much of it an endpoint that has neither passed nor failed is left behind.
    """

    endpoints: Mapping[str, float]
    stages: tuple[float, ...] = (10, 25, 50, 100)
    bake: float = 600
    patience: float = 86_400
    min_requests: int = 200
    """Requests that the domain has to have answered in a stage; forced ones do not count."""
    min_comparisons: int = 30
    on_failure: OnFailure = OnFailure.PREVIOUS
    verify_urls: tuple[str, ...] = ()
    """Instances whose answers are verified over HTTP before a stage is passed."""
    without_verification: bool = False
    """Whether the operator wants stages passed that nobody has verified."""

    def first_stage(self, endpoint: str) -> int:
        """The number (1, 2, ...) of the first stage that does not lower the endpoint's exposure.

        One more than there are stages where it is above them all.
        """
        at_start = self.endpoints[endpoint]
        return 1 + sum(percent < at_start for percent in self.stages)

    def percent(self, stage: int) -> float:
        """The percent of a stage, by its number."""
        return self.stages[stage - 1]

    def percent_after_failure(self, endpoint: str, stage: int) -> float:
        """Where an endpoint goes that fails a stage."""
        if self.on_failure is OnFailure.ZERO:
            return 0.0
        if stage == self.first_stage(endpoint):
            return self.endpoints[endpoint]
        return self.percent(stage - 1)


class Phase(Enum):
    """How far an endpoint is."""

    WAITING = "waiting"
    """Before its next stage, which nobody has put it to yet."""
    BAKING = "baking"
    """In a stage."""
    DONE = "done"
    """Past the last stage."""
    FAILED = "failed"
    """Back, for it failed a stage."""
    LEFT = "left"
    """Left behind as it stands."""

    @property
    def is_open(self) -> bool:
        """Whether the run has something to do about it still."""
        return self in (Phase.WAITING, Phase.BAKING)


class EndCause(Enum):
    """Why an endpoint is left behind; in the evidence of a LEAVE."""

    ROLLED_BACK = "rolled_back"
    """By the guard or an operator."""
    CHANGED = "changed"
    """Somebody set another percent."""
    PINNED = "pinned"
    """The environment sets the percent, whatever is stored."""
    ABOVE = "above"
    """At the start it was above the last stage."""
    PATIENCE = "patience"
    """It has neither passed nor failed while there was patience."""


class Completion(Enum):
    """What became of a run; in the evidence of its END."""

    COMPLETE = "complete"
    """Every endpoint has passed every stage, and is exposed still."""
    INCOMPLETE = "incomplete"
    """Some are not."""
    ABANDONED = "abandoned"
    """An operator ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """How far an endpoint is: the number of the `stage` that it is in, or waits for.

    `event` is the last one about it; in a stage that is the STAGE, with what was counted before.
    """

    endpoint: str
    stage: int
    phase: Phase = Phase.WAITING
    event: RolloutEvent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run up to some event; `id` is that of its START, `end` its END once there is one."""

    id: int
    by: str
    reason: str
    started_at: datetime | None
    plan: Plan
    progress: Mapping[str, RunProgress]
    end: RolloutEvent | None = None

    @classmethod
    def begun(cls, start: RolloutEvent) -> Self:
        """A run that has just begun."""
        plan = convert(start.evidence, Plan)
        return cls(
            id=start.id,
            by=start.by,
            reason=start.reason,
            started_at=start.at,
            plan=plan,
            progress={
                endpoint: RunProgress(endpoint=endpoint, stage=plan.first_stage(endpoint))
                for endpoint in plan.endpoints
            },
        )

    def after(self, event: RolloutEvent) -> Self:
        """The run after one of its events."""
        if event.kind is EventKind.END:
            return replace(self, end=event)
        progress = _AFTER[event.kind](self.progress[event.endpoint], self.plan, event)
        return replace(self, progress={**self.progress, event.endpoint: progress})

    @property
    def open(self) -> tuple[RunProgress, ...]:
        """The endpoints that it has something to do about."""
        return tuple(progress for progress in self.progress.values() if progress.phase.is_open)


def _after_stage(progress: RunProgress, _: Plan, event: RolloutEvent) -> RunProgress:
    stage = int(event.evidence["stage"])
    return replace(progress, stage=stage, phase=Phase.BAKING, event=event)


def _after_pass(progress: RunProgress, plan: Plan, event: RolloutEvent) -> RunProgress:
    if progress.stage == len(plan.stages):
        return replace(progress, phase=Phase.DONE, event=event)
    return replace(progress, stage=progress.stage + 1, phase=Phase.WAITING, event=event)


def _after_fail(progress: RunProgress, _: Plan, event: RolloutEvent) -> RunProgress:
    return replace(progress, phase=Phase.FAILED, event=event)


def _after_leave(progress: RunProgress, _: Plan, event: RolloutEvent) -> RunProgress:
    return replace(progress, phase=Phase.LEFT, event=event)


_AFTER = {
    EventKind.STAGE: _after_stage,
    EventKind.PASS: _after_pass,
    EventKind.FAIL: _after_fail,
    EventKind.LEAVE: _after_leave,
}


def fold(events: Iterable[RolloutEvent]) -> Run:
    """The run that its events tell of, in whatever order they come."""
    start, *others = sorted(events, key=lambda event: event.id)
    run = Run.begun(start)
    for event in others:
        run = run.after(event)
    return run


def load(store: Store, run: int) -> Run | None:
    """The run that began with the START of that id."""
    events = store.events(run=run, limit=None)
    is_run = any(event.id == run and event.kind is EventKind.START for event in events)
    return fold(events) if is_run else None


def latest(store: Store) -> Run | None:
    """The run that was begun last."""
    events = store.events(DEFAULT, limit=None)
    starts = (event.id for event in events if event.kind is EventKind.START)
    newest = next(starts, None)
    return None if newest is None else load(store, newest)


def evidence(facts: Any) -> Any:
    """Dataclasses, moments and all as JSON's types, for an event."""
    return msgspec.json.decode(msgspec.json.encode(facts))
