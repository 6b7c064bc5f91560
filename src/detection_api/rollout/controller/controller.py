"""Raises endpoints stage by stage while the gates let them pass. Read `turn` first.

Whatever is done is one statement that is its own record. A controller that is killed leaves nothing
half done, and another one goes on from the events.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from detection_api import token_format
from detection_api.canary.serving import CanarySettings
from detection_api.canary.state import (
    DEFAULT,
    EventKind,
    RolloutEvent,
    StaleEpochError,
    Store,
    effective,
)
from detection_api.rollout.controller import transitions
from detection_api.rollout.controller.transitions import EndpointProgress, Transition
from detection_api.rollout.gates import Verified, gather
from detection_api.rollout.run import Completion, Plan, Run, evidence, load


class Verify(Protocol):
    """Verifies endpoints at every instance of the plan."""

    def __call__(self, endpoints: Collection[str]) -> Mapping[str, Sequence[Verified]]:
        """What came of each endpoint at each instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a turn saw and did: the run after it, how its endpoints stood before, at the store's
    time `at`. A run that `has_moved` is worth another turn at once."""

    run: Run
    at: datetime
    standings: Sequence[EndpointProgress]
    has_moved: bool


class Controller:
    """Goes on with the run whose START has the id `run`.

    `contracts` are the branches of each endpoint's contract; `overrides` say what is pinned.
    """

    def __init__(
        self,
        store: Store,
        run: int,
        *,
        contracts: Mapping[str, Collection[str]],
        overrides: CanarySettings,
        verify: Verify,
    ) -> None:
        self._store = store
        self._id = run
        self._contracts = contracts
        self._overrides = overrides
        self._verify = verify

    def turn(self) -> Turn:
        """Look at every endpoint that is not through, and move those that are to be moved.

        What others have changed meanwhile stays so, and is looked at in the next turn.
        """
        run = self._load()
        gathered = gather(self._store, transitions.since(run))
        standings = [
            transitions.stand(
                run,
                gathered,
                progress,
                self._contracts[progress.endpoint],
                self._overrides.pinned_percent(progress.endpoint),
            )
            for progress in run.open
        ]
        ready = transitions.ready(standings)
        verified = self._verify(ready) if ready and run.plan.verify_urls else {}
        standings = [transitions.with_verification(run, each, verified) for each in standings]
        has_moved = self._move(run, standings)
        return Turn(
            run=self._load() if has_moved else run,
            at=gathered.at,
            standings=standings,
            has_moved=has_moved,
        )

    def _load(self) -> Run:
        run = load(self._store, self._id)
        assert run is not None, "events are never removed"
        return run

    def _move(self, run: Run, standings: Sequence[EndpointProgress]) -> bool:
        """Do what is to be done; whether anything was. At last the run ends."""
        if run.end is not None:
            return False
        if not run.open:
            _finish(self._store, run)
            return True
        due = [(each, move) for each in standings if (move := transitions.decide(run, each))]
        for standing, move in due:
            self._carry_out(run, standing, move)
        return bool(due)

    def _carry_out(self, run: Run, standing: EndpointProgress, move: Transition) -> None:
        if move.percent is None:
            event = RolloutEvent(
                endpoint=standing.progress.endpoint,
                kind=move.kind,
                by=run.by,
                reason=move.reason,
                epoch=standing.state.epoch,
                evidence=move.facts,
                run=run.id,
            )
            self._store.append(event)
            return
        if not self._stands_still(standing):
            return
        state = replace(standing.state, percent=move.percent, by=run.by, reason=move.reason)
        with suppress(StaleEpochError):
            self._store.write(state, move.kind, move.facts, run=run.id)

    def _stands_still(self, standing: EndpointProgress) -> bool:
        """Whether what applies to an endpoint is as it was when the turn looked.

        Verification takes its time, and the epoch tells of the endpoint's own state only: not of an
        operator who has held all of them meanwhile.
        """
        endpoint = standing.progress.endpoint
        return effective(self._store.read().states, endpoint) == standing.applied


def begin(store: Store, plan: Plan, *, by: str, reason: str) -> Run:
    """Write down that a run begins; without a token that `reason` quotes."""
    start = RolloutEvent(
        endpoint=DEFAULT,
        kind=EventKind.START,
        by=by,
        reason=token_format.redacted(reason),
        evidence=evidence(plan),
    )
    return Run.begun(store.append(start))


def abandon(store: Store, run: Run, *, by: str, reason: str) -> None:
    """End a run where it is; every endpoint stays as it stands."""
    outcomes = transitions.outcomes(run, store.read().states)
    _end(store, run, Completion.ABANDONED, outcomes, by=by, reason=reason)


def _finish(store: Store, run: Run) -> None:
    """End a run that is through with every endpoint."""
    outcomes = transitions.outcomes(run, store.read().states)
    completion = transitions.completion(run, outcomes)
    _end(store, run, completion, outcomes, by=run.by, reason=completion.value)


def _end(
    store: Store,
    run: Run,
    completion: Completion,
    outcomes: Mapping[str, Any],
    *,
    by: str,
    reason: str,
) -> None:
    event = RolloutEvent(
        endpoint=DEFAULT,
        kind=EventKind.END,
        by=by,
        reason=token_format.redacted(reason),
        evidence={"completion": completion.value, "outcomes": outcomes},
        run=run.id,
    )
    store.append(event)
