"""A rollout run: its plan, and the progress of each endpoint, computed from its events.

A run is stored only as events. So its report, and its state after a crash, agree with the audit.
Pure, except `latest` and `load`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any, Self

import msgspec

from detection_api.canary.state import DEFAULT, EventKind, RolloutEvent, Store, convert
from detection_api.rollout.bound import observations_for


class OnFailure(Enum):
    """The percent of an endpoint after it failed a stage, unless its answers were wrong."""

    PREVIOUS = "previous"
    """The percent of the previous stage; after the first stage, a lower percent at the start."""
    ZERO = "zero"
    """0 percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of a run; the evidence of its START.

    `endpoints` have their percents at the start. `stages` are ascending percents. `bake` is the
    minimum of seconds in a stage. An endpoint that has neither passed nor failed after `patience`
    seconds in a stage goes back to the last stage that it passed, and the run leaves it there.
    """

    endpoints: Mapping[str, float]
    stages: tuple[float, ...] = (10, 25, 50, 100)
    bake: float = 600
    patience: float = 86_400
    min_requests: int = 200
    """Requests that the domain must answer in a stage; forced requests do not count."""
    max_wrong: float = 1.0
    """Percent of wrong answers that a passed stage rules out with 95% confidence."""
    min_comparisons: int | None = None
    """Answers to compare in a stage, in place of the number that `max_wrong` needs."""
    on_failure: OnFailure = OnFailure.PREVIOUS
    verify_urls: tuple[str, ...] = ()
    """Instances to verify over HTTP before a stage is passed."""
    without_verification: bool = False
    """Whether the operator allows stages to pass without verification."""

    @property
    def comparisons(self) -> int:
        """The number of answers that must be compared in a stage."""
        if self.min_comparisons is not None:
            return self.min_comparisons
        return observations_for(self.max_wrong / 100)

    def first_stage(self, endpoint: str) -> int:
        """Return the number (1, 2, ...) of the first stage that does not lower the endpoint.

        Returns the number of stages + 1 if all of them would lower it.
        """
        at_start = self.endpoints[endpoint]
        return 1 + sum(percent < at_start for percent in self.stages)

    def percent(self, stage: int) -> float:
        """Return the percent of a stage, by its number."""
        return self.stages[stage - 1]

    def percent_passed(self, endpoint: str, stage: int) -> float:
        """Return the percent of the last stage before `stage`; the percent at the start if none."""
        if stage == self.first_stage(endpoint):
            return self.endpoints[endpoint]
        return self.percent(stage - 1)


class Phase(Enum):
    """The phase of an endpoint in a run."""

    WAITING = "waiting"
    """It has not entered its next stage."""
    BAKING = "baking"
    """It is in a stage."""
    DONE = "done"
    """It has passed the last stage."""
    FAILED = "failed"
    """It failed a stage and went back."""
    LEFT = "left"
    """The run has left it behind."""

    @property
    def is_open(self) -> bool:
        """Whether the run may still move the endpoint."""
        return self in (Phase.WAITING, Phase.BAKING)


class EndCause(Enum):
    """Why a run leaves an endpoint; in the evidence of a LEAVE."""

    ROLLED_BACK = "rolled_back"
    """The guard or an operator rolled it back."""
    CHANGED = "changed"
    """Somebody set another percent."""
    PINNED = "pinned"
    """The environment sets the percent, whatever is stored."""
    ABOVE = "above"
    """Its percent at the start was above the last stage."""
    PATIENCE = "patience"
    """It has neither passed nor failed within the plan's patience."""


class Completion(Enum):
    """How a run ended; in the evidence of its END."""

    COMPLETE = "complete"
    """Every endpoint has passed every stage, and is still exposed."""
    INCOMPLETE = "incomplete"
    """Some endpoints have not."""
    ABANDONED = "abandoned"
    """An operator ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointProgress:
    """An endpoint's progress: its phase, and the number of its current or next `stage`.

    `event` is the last one about it. In a stage it is the STAGE, with the counts before the stage.
    """

    endpoint: str
    stage: int
    phase: Phase = Phase.WAITING
    event: RolloutEvent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run after some of its events. `id` is the id of its START; `end` is its END, or None."""

    id: int
    by: str
    reason: str
    started_at: datetime | None
    plan: Plan
    progress: Mapping[str, EndpointProgress]
    end: RolloutEvent | None = None

    @classmethod
    def begun(cls, start: RolloutEvent) -> Self:
        """Return the run that begins with `start`."""
        plan = convert(start.evidence, Plan)
        return cls(
            id=start.id,
            by=start.by,
            reason=start.reason,
            started_at=start.at,
            plan=plan,
            progress={
                endpoint: EndpointProgress(endpoint=endpoint, stage=plan.first_stage(endpoint))
                for endpoint in plan.endpoints
            },
        )

    def after(self, event: RolloutEvent) -> Self:
        """Return the run after its next event."""
        if event.kind is EventKind.END:
            return replace(self, end=event)
        progress = _AFTER[event.kind](self.progress[event.endpoint], self.plan, event)
        return replace(self, progress={**self.progress, event.endpoint: progress})

    @property
    def open(self) -> tuple[EndpointProgress, ...]:
        """The endpoints that the run may still move."""
        return tuple(progress for progress in self.progress.values() if progress.phase.is_open)


def _after_stage(progress: EndpointProgress, _: Plan, event: RolloutEvent) -> EndpointProgress:
    stage = int(event.evidence["stage"])
    return replace(progress, stage=stage, phase=Phase.BAKING, event=event)


def _after_pass(progress: EndpointProgress, plan: Plan, event: RolloutEvent) -> EndpointProgress:
    if progress.stage == len(plan.stages):
        return replace(progress, phase=Phase.DONE, event=event)
    return replace(progress, stage=progress.stage + 1, phase=Phase.WAITING, event=event)


def _after_fail(progress: EndpointProgress, _: Plan, event: RolloutEvent) -> EndpointProgress:
    return replace(progress, phase=Phase.FAILED, event=event)


def _after_leave(progress: EndpointProgress, _: Plan, event: RolloutEvent) -> EndpointProgress:
    return replace(progress, phase=Phase.LEFT, event=event)


_AFTER = {
    EventKind.STAGE: _after_stage,
    EventKind.PASS: _after_pass,
    EventKind.FAIL: _after_fail,
    EventKind.LEAVE: _after_leave,
}


def fold(events: Iterable[RolloutEvent]) -> Run:
    """Return the run with these events, which may be in any order."""
    start, *others = sorted(events, key=lambda event: event.id)
    run = Run.begun(start)
    for event in others:
        run = run.after(event)
    return run


def load(store: Store, run: int) -> Run | None:
    """Return the run whose START has the id `run`; None if there is none."""
    events = store.events(run=run, limit=None)
    is_run = any(event.id == run and event.kind is EventKind.START for event in events)
    return fold(events) if is_run else None


def latest(store: Store) -> Run | None:
    """Return the run that began last; None if there is none."""
    events = store.events(DEFAULT, limit=None)
    starts = (event.id for event in events if event.kind is EventKind.START)
    newest = next(starts, None)
    return None if newest is None else load(store, newest)


def evidence(value: Any) -> Any:
    """Return a value of dataclasses and built-in types as JSON's types, for an event."""
    return msgspec.json.decode(msgspec.json.encode(value))
