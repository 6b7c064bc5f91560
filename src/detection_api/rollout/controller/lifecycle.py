"""Begin, continue and end runs. Each step is one event in the store."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from detection_api import token_format
from detection_api.canary.state import DEFAULT, EventKind, RolloutEvent, Store
from detection_api.errors import ConflictError
from detection_api.rollout import changes
from detection_api.rollout.controller import transitions
from detection_api.rollout.run import Completion, Plan, Run, evidence, latest


def unfinished(store: Store) -> Run | None:
    """Return the run that has not ended, or None."""
    run = latest(store)
    return None if run is None or run.end is not None else run


def refuse_other_plan(run: Run, named: Mapping[str, Any]) -> None:
    """Raise ConflictError if an option in `named` differs from the plan of an unfinished run.

    The options are fields of Plan; `endpoints` are names only.
    """
    options = {**named}
    endpoints = options.pop("endpoints", None)
    differing = [name for name, value in options.items() if getattr(run.plan, name) != value]
    if endpoints is not None and set(endpoints) != set(run.plan.endpoints):
        differing.append("endpoints")
    if differing:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(differing))
        raise ConflictError(
            f"run {run.id} is unfinished and has another plan ({names}):"
            " `detection-api rollout run` without options continues it,"
            " `detection-api rollout abandon --reason ...` ends it"
        )


def new_plan(store: Store, named: Mapping[str, Any]) -> Plan:
    """Return the plan with the options in `named`, and defaults for the other options.

    The options are fields of Plan. `endpoints` are names; the plan has their current percents.
    """
    states = store.read().states
    percents = {name: changes.own(states, name).percent for name in named["endpoints"]}
    return replace(Plan(endpoints={}), **{**named, "endpoints": percents})


def begin(store: Store, plan: Plan, *, by: str, reason: str) -> Run:
    """Begin a run. A token in `reason` is redacted."""
    start = RolloutEvent(
        endpoint=DEFAULT,
        kind=EventKind.START,
        by=by,
        reason=token_format.redacted(reason),
        evidence=evidence(plan),
    )
    return Run.begun(store.append(start))


def abandon(store: Store, run: Run, *, by: str, reason: str) -> None:
    """End a run; no endpoint's state changes. A token in `reason` is redacted."""
    outcomes = transitions.outcomes(run, store.read().states)
    _end(store, run, Completion.ABANDONED, outcomes, by=by, reason=token_format.redacted(reason))


def finish(store: Store, run: Run) -> None:
    """End a run that has no open endpoint."""
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
        reason=reason,
        evidence={"completion": completion.value, "outcomes": outcomes},
        run=run.id,
    )
    store.append(event)
