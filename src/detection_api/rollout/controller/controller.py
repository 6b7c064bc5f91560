"""Raise endpoints stage by stage while the gates let them pass. Read `turn` first.

Each transition is one statement that also records it. A controller that is killed leaves no
transition half done, and another one continues from the events.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from detection_api.canary.serving import CanarySettings
from detection_api.canary.state import (
    RolloutEvent,
    StaleEpochError,
    Store,
    effective,
)
from detection_api.rollout.controller import transitions
from detection_api.rollout.controller.lifecycle import finish
from detection_api.rollout.controller.transitions import EndpointReview, Transition
from detection_api.rollout.gates import Verified, gather
from detection_api.rollout.run import Run, load


class Verify(Protocol):
    """Verifies endpoints at every instance of the plan."""

    def __call__(self, endpoints: Collection[str]) -> Mapping[str, Sequence[Verified]]:
        """Return each endpoint's results, one for each instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn at the store's time `at`: the run after it, and the reviews before.

    If it `has_moved` an endpoint, another turn may follow at once.
    """

    run: Run
    at: datetime
    reviews: Sequence[EndpointReview]
    has_moved: bool


class Controller:
    """Continues the run whose START has the id `run`.

    `contracts` has the branches of each endpoint's contract, `overrides` the pinned percents.
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
        """Review every open endpoint, and move those whose gates allow or demand it.

        A change that somebody else makes meanwhile is kept; the next turn reviews it.
        """
        run = self._load()
        gathered = gather(self._store, transitions.since(run))
        reviews = [
            transitions.review_endpoint(
                run,
                gathered,
                progress,
                self._contracts[progress.endpoint],
                self._overrides.pinned_percent(progress.endpoint),
            )
            for progress in run.open
        ]
        ready = transitions.ready(reviews)
        verified = self._verify(ready) if ready and run.plan.verify_urls else {}
        reviews = [transitions.with_verification(run, each, verified) for each in reviews]
        has_moved = self._move(run, reviews)
        return Turn(
            run=self._load() if has_moved else run,
            at=gathered.at,
            reviews=reviews,
            has_moved=has_moved,
        )

    def _load(self) -> Run:
        run = load(self._store, self._id)
        assert run is not None, "events are never removed"
        return run

    def _move(self, run: Run, reviews: Sequence[EndpointReview]) -> bool:
        """Carry out all transitions, or end a run without open endpoints; return whether any."""
        if run.end is not None:
            return False
        if not run.open:
            finish(self._store, run)
            return True
        due = [(each, found) for each in reviews if (found := transitions.decide(run, each))]
        for review, transition in due:
            self._carry_out(run, review, transition)
        return bool(due)

    def _carry_out(self, run: Run, review: EndpointReview, transition: Transition) -> None:
        if transition.percent is None:
            event = RolloutEvent(
                endpoint=review.progress.endpoint,
                kind=transition.kind,
                by=run.by,
                reason=transition.reason,
                epoch=review.state.epoch,
                evidence=transition.evidence,
                run=run.id,
            )
            self._store.append(event)
            return
        if not self._is_unchanged(review):
            return
        state = replace(
            review.state, percent=transition.percent, by=run.by, reason=transition.reason
        )
        with suppress(StaleEpochError):
            self._store.write(state, transition.kind, transition.evidence, run=run.id)

    def _is_unchanged(self, review: EndpointReview) -> bool:
        """Return whether the state that applies to an endpoint is the reviewed one.

        Verification takes time, and the epoch covers the endpoint's own state only: an operator may
        have held the default meanwhile.
        """
        endpoint = review.progress.endpoint
        return effective(self._store.read().states, endpoint) == review.applied
