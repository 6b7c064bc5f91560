"""Chooses the answers that are compared with the other arm's, and offers them for comparison."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from detection_api.canary import metrics
from detection_api.canary.fleet.applied_states import AppliedStates
from detection_api.canary.serving import (
    CanaryRequest,
    CanarySettings,
    Engine,
    Reason,
    Result,
    Route,
    is_in,
)
from detection_api.canary.shadow import Comparer, Job, Shadow
from detection_api.canary.state import Ledger

_COMPARED = frozenset({Reason.ROLLOUT, Reason.HOLDOUT, Reason.ROLLED_BACK, Reason.STALE})
"""Reasons whose answers may be compared. The kill switch is none: the domain must not run."""


class Comparisons:
    """The shadow comparisons of one worker.

    `on_outcome` is called with the endpoint, the outcome and the request's id of each comparison.
    `context` is entered around implementations, which run after the response. `clock` is
    monotonic, in seconds.
    """

    def __init__(
        self,
        overrides: CanarySettings,
        engine: Engine,
        states: AppliedStates,
        ledger: Ledger,
        *,
        on_outcome: Callable[[str, str, str], None],
        context: Callable[[], AbstractContextManager[Any]],
        clock: Callable[[], float],
    ) -> None:
        self._percent = overrides.shadow_percent
        self._states = states
        self._ledger = ledger
        self._on_outcome = on_outcome
        comparer = Comparer(
            engine,
            states,
            ledger,
            store_values=overrides.store_values,
            settle=overrides.settle,
            on_outcome=self._judge,
            clock=clock,
        )
        self.shadow = Shadow(
            comparer.compare,
            per_second=overrides.shadow_per_second,
            on_drop=self._count_drop,
            on_fault=metrics.fault,
            context=context,
            clock=clock,
        )

    def is_chosen(self, endpoint: str, ask: CanaryRequest, route: Route, served: Result) -> bool:
        """Return whether this answer is in the sample of shadow comparisons.

        The request's id decides: the sample at 10 percent is a part of the sample at 25.
        """
        return (
            self._percent > 0
            and route.legacy is not None
            and not route.writes
            and served.reason in _COMPARED
            and is_in(f"shadow {endpoint}", ask.request_id, self._percent)
        )

    def offer(
        self,
        endpoint: str,
        ask: CanaryRequest,
        route: Route,
        served: Result,
        arguments: Mapping[str, Any],
    ) -> None:
        """Offer the answer for comparison; the queue drops it if it has no room."""
        try:
            state = self._states.state(endpoint)
        except Exception:  # noqa: BLE001 - a fault of the canary must not become the client's
            metrics.fault("read_state", endpoint=endpoint)
            return
        self.shadow.offer(
            Job(
                endpoint=endpoint,
                route=route,
                arguments=arguments,
                answered=served.result,
                request_id=ask.request_id,
                state=state,
            )
        )

    def _judge(self, job: Job, outcome: str) -> None:
        """Pass an outcome on; after a mismatch, compare the next answers as they come.

        Once the endpoint is rolled back that is proven, and other endpoints need the comparisons.
        """
        if outcome == "mismatch" and job.state is not None and job.state.status.exposes:
            self.shadow.be_eager(job.endpoint)
        self._on_outcome(job.endpoint, outcome, job.request_id)

    def _count_drop(self, job: Job) -> None:
        with self._ledger as batch:
            batch.tally(job.endpoint, job.answered.arm).dropped += 1
