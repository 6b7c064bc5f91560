"""`detection-api rollout status`, `events` and `mismatches`: show the rollout."""

from collections.abc import Sequence

import click
from flask.cli import with_appcontext

from detection_api.canary.state import DEFAULT, Mismatch, RolloutEvent
from detection_api.canary.state.postgres import PostgresStore
from detection_api.cli.output import JSON, print_json, print_table
from detection_api.cli.store import (
    canaried,
    open_pool,
    open_store,
    overrides,
    refuse_unknown,
    typed,
    with_default,
)
from detection_api.rollout.changes import KILL_SWITCH
from detection_api.rollout.lock import is_held
from detection_api.rollout.overview import (
    EndpointStatus,
    Overview,
    RunStatus,
    WorkerStatus,
    overview,
)
from detection_api.rollout.run import latest
from detection_api.rollout.text import evidence, line, moment, span, table

OF_ENDPOINT = click.option("--endpoint", help="Show only this endpoint.")


@click.command()
@JSON
@with_appcontext
def status(as_json: bool) -> None:
    """Show the state of every endpoint, the workers, and the unfinished run.

    \b
    Example:
      detection-api rollout status
    """
    pool = open_pool()
    store = PostgresStore(pool.connection)
    states, workers = store.read().states, store.workers()
    is_driven = is_held(pool.connection)
    result = overview(states, workers, canaried(), overrides(), latest(store), is_driven=is_driven)
    if as_json:
        print_json(result)
    else:
        _print(result)


def _print(result: Overview) -> None:
    if not result.use_domain:
        click.echo(KILL_SWITCH)
    header = ("ENDPOINT", "PERCENT", "STATUS", "EPOCH", "BY", "AT", "REASON")
    print_table(header, map(_endpoint_row, result.endpoints))
    if result.strays:
        click.echo(f"states of unknown endpoints: {', '.join(result.strays)}")
    click.echo()
    if result.workers:
        print_table(("WORKER", "UP", "LAST SEEN", "APPLIES"), map(_worker_row, result.workers))
    else:
        click.echo("no worker has reported within the last minute")
    if result.run and not result.run.is_over:
        click.echo()
        _print_run(result.run)


def _print_run(run: RunStatus) -> None:
    click.echo(f"run {run.run} by {run.by} since {moment(run.started_at)} is unfinished:")
    stages = len(run.plan.stages)
    rows = [
        (each.endpoint, f"{min(each.stage, stages)} of {stages}", each.phase.value)
        for each in run.endpoints
    ]
    print_table(("ENDPOINT", "STAGE", "PHASE"), rows)
    if not run.is_driven:
        click.echo(
            f"no controller is running it: `{typed('rollout run')}` continues it,"
            f" `{typed('rollout abandon')}` ends it"
        )


def _endpoint_row(endpoint: EndpointStatus) -> Sequence[str]:
    state, pinned = endpoint.state, endpoint.pinned
    return (
        state.endpoint,
        f"{state.percent:g}" if pinned is None else f"{pinned:g} pinned",
        state.status.value,
        "" if endpoint.follows_default else str(state.epoch),
        state.by,
        moment(state.at),
        f"follows {DEFAULT}" if endpoint.follows_default else state.reason,
    )


def _worker_row(worker: WorkerStatus) -> Sequence[str]:
    behind = ", ".join(worker.behind)
    applies = f"behind: {behind}" if behind else "up to date"
    return (worker.worker, span(worker.uptime), f"{span(worker.silent)} ago", applies)


@click.command()
@OF_ENDPOINT
@click.option("--run", type=click.IntRange(min=1), help="Show only this rollout run.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most this many."
)
@JSON
@with_appcontext
def events(endpoint: str | None, run: int | None, limit: int, as_json: bool) -> None:
    """Show changes with their author and reason, and alarms of the guard, newest first.

    \b
    Example:
      detection-api rollout events --endpoint records.violation --limit 5
    """
    _refuse_unknown(endpoint)
    found = open_store().events(endpoint, limit, run)
    if as_json:
        print_json(found)
    elif not found:
        click.echo("no events")
    else:
        header = ("AT", "ENDPOINT", "EVENT", "EPOCH", "BY", "REASON AND EVIDENCE")
        print_table(header, map(_event_row, found))


def _event_row(event: RolloutEvent) -> Sequence[str]:
    return (
        moment(event.at),
        event.endpoint,
        event.kind.value,
        str(event.epoch),
        event.by,
        " | ".join(filter(None, (event.reason, evidence(event.evidence)))),
    )


@click.command()
@OF_ENDPOINT
@JSON
@with_appcontext
def mismatches(endpoint: str | None, as_json: bool) -> None:
    """Show how the domain's answers differ from legacy's, the most frequent first.

    `detection-api accepted` accepts differences that are meant to be.

    \b
    Example:
      detection-api rollout mismatches --endpoint statistics.daily
    """
    _refuse_unknown(endpoint)
    found = open_store().mismatches(endpoint)
    if as_json:
        print_json(found)
    elif not found:
        click.echo("no mismatches")
    else:
        header = ("ENDPOINT", "PATH", "KIND", "COUNT", "ACCEPTED", "FIRST SEEN", "LAST SEEN")
        title, *lines = table(header, [_mismatch_row(mismatch) for mismatch in found])
        click.echo(title)
        for row, mismatch in zip(lines, found, strict=True):
            click.echo(row)
            for sample in mismatch.samples:
                click.echo(f"    {line(evidence(sample))}")


def _mismatch_row(mismatch: Mismatch) -> Sequence[str]:
    return (
        mismatch.endpoint,
        mismatch.path,
        mismatch.kind,
        f"{mismatch.count:,}",
        f"{mismatch.accepted:,}",
        moment(mismatch.first_seen),
        moment(mismatch.last_seen),
    )


def _refuse_unknown(endpoint: str | None) -> None:
    if endpoint is not None:
        refuse_unknown(endpoint, known=with_default())
