"""An overview of the rollout: endpoints, workers and the last run; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from detection_api.canary.serving import CanarySettings
from detection_api.canary.state import DEFAULT, RolloutState, Worker, effective
from detection_api.rollout.run import EndpointProgress, Plan, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointStatus:
    """An endpoint with the state that applies to it.

    `pinned` is the percent that the environment sets, or None. `follows_default` is True if the
    endpoint has no state of its own.
    """

    state: RolloutState
    pinned: float | None
    follows_default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """A worker that last reported `silent` seconds ago, and had then run for `uptime` seconds.

    `behind` has the endpoints of which it applies an epoch older than the stored one.
    """

    worker: str
    silent: float
    uptime: float
    epochs: Mapping[str, int]
    behind: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """The run that began last, with its plan and progress.

    `is_over` is True if it has ended, `is_driven` if a controller is running it. If both are False,
    `rollout run` continues it.
    """

    run: int
    by: str
    reason: str
    started_at: datetime | None
    is_over: bool
    is_driven: bool
    plan: Plan
    endpoints: tuple[EndpointProgress, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything at once; `strays` are stored states of endpoints that the application lacks."""

    use_domain: bool
    endpoints: tuple[EndpointStatus, ...]
    workers: tuple[WorkerStatus, ...]
    strays: tuple[str, ...]
    run: RunStatus | None = None


def overview(
    states: Mapping[str, RolloutState],
    workers: Iterable[Worker],
    endpoints: Iterable[str],
    overrides: CanarySettings,
    run: Run | None = None,
    *,
    is_driven: bool = False,
) -> Overview:
    """Return the overview of the default and `endpoints`, the default first.

    `is_driven` is True if a controller is running.
    """
    names = [DEFAULT, *sorted(endpoints)]
    return Overview(
        use_domain=overrides.use_domain,
        endpoints=tuple(
            EndpointStatus(
                state=effective(states, name),
                pinned=overrides.pinned_percent(name),
                follows_default=name not in (DEFAULT, *states),
            )
            for name in names
        ),
        workers=tuple(_worker(states, worker) for worker in workers),
        strays=tuple(sorted(set(states) - set(names))),
        run=_run(run, is_driven) if run else None,
    )


def _run(run: Run, is_driven: bool) -> RunStatus:
    return RunStatus(
        run=run.id,
        by=run.by,
        reason=run.reason,
        started_at=run.started_at,
        is_over=run.end is not None,
        is_driven=is_driven and run.end is None,
        plan=run.plan,
        endpoints=tuple(replace(progress, event=None) for progress in run.progress.values()),
    )


def _worker(states: Mapping[str, RolloutState], worker: Worker) -> WorkerStatus:
    heartbeat = worker.heartbeat
    return WorkerStatus(
        worker=heartbeat.worker,
        silent=worker.silent,
        uptime=heartbeat.uptime,
        epochs=heartbeat.epochs,
        behind=tuple(
            endpoint
            for endpoint, state in sorted(states.items())
            if heartbeat.epochs.get(endpoint, state.epoch) < state.epoch
        ),
    )
