"""`detection-api rollout`: how endpoints are exposed, and changes to it."""

from collections.abc import Sequence

import click

from detection_api.canary.state import DEFAULT, EventKind
from detection_api.cli.command import database_error
from detection_api.cli.rollout.assess import assess_command
from detection_api.cli.rollout.common import (
    BY,
    Commands,
    canaried,
    open_store,
    overrides,
    refuse_unknown,
    with_default,
)
from detection_api.cli.rollout.report import report
from detection_api.cli.rollout.run import abandon_run, run
from detection_api.cli.rollout.views import events, mismatches, status
from detection_api.db import UNAVAILABLE
from detection_api.rollout import changes
from detection_api.rollout.orders import Order, carry_out

MAX_PERCENT = 100
WITHOUT_POSTGRESQL = (
    "Without PostgreSQL the kill switch sends everything to legacy: USE_DOMAIN_SERVICE=false in the"
    " env file\nof the workers and a HUP, on each host; see docs/runbook.md"
)

ENDPOINTS = click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    default=[DEFAULT],
    help="Which one, by Flask's name, such as records.violation; may be repeated."
    "  [default: *, which is for all that have no percentage of their own]",
)


def _percent(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
    if value is not None and not 0 <= value <= MAX_PERCENT:  # which NaN is not either
        raise click.BadParameter("must be 0 to 100")
    return value


@click.group(cls=Commands)
def rollout() -> None:
    """See and change which share of the requests the domain answers.

    Workers follow a change within a second. DATABASE_URL is where they share it.
    """


for _view in (run, abandon_run, status, events, mismatches, report, assess_command):
    rollout.add_command(_view)


@rollout.command("set")
@click.argument("percent", type=float, callback=_percent)
@ENDPOINTS
@click.option("--reason", default="", help="Why; for the audit.")
@BY
def set_percent(percent: float, endpoints: Sequence[str], reason: str, by: str) -> None:
    """Have the domain answer PERCENT (0 to 100) of the subjects.

    What is rolled back stays so, and takes the percentage when it is resumed.

    \b
    Example:
      detection-api rollout set 25 --endpoint statistics.daily --reason 'stage 2'
    """
    _change(endpoints, EventKind.SET, changes.percent_set(percent), by=by, reason=reason)


@rollout.command()
@ENDPOINTS
@click.option("--reason", required=True, help="Why; for the audit.")
@click.option(
    "--to",
    "percent",
    type=float,
    callback=_percent,
    help="Lower the percentage to this, and leave it applied.",
)
@BY
def rollback(endpoints: Sequence[str], reason: str, percent: float | None, by: str) -> None:
    """Send everything to legacy until `resume`; without --endpoint, of every endpoint.

    With --to, have the domain answer that many percent at the most instead: nothing is raised.

    \b
    Example:
      detection-api rollout rollback --endpoint records.violation --reason 'wrong totals'
      detection-api rollout rollback --to 10 --reason 'a big customer comes tomorrow'
    """
    try:
        if percent is None:
            _change(endpoints, EventKind.ROLLBACK, changes.rolled_back, by=by, reason=reason)
            return
        everything = with_default() if DEFAULT in endpoints else endpoints
        lower = changes.lowered(percent)
        _change(everything, EventKind.SET, lower, by=by, reason=reason, lowers=True)
    except UNAVAILABLE as error:
        raise click.ClickException(f"{database_error(error)}\n{WITHOUT_POSTGRESQL}") from error


@rollout.command()
@ENDPOINTS
@click.option("--reason", required=True, help="Why; for the audit.")
@BY
def hold(endpoints: Sequence[str], reason: str, by: str) -> None:
    """Keep the percentage and have nobody raise it until `resume`.

    \b
    Example:
      detection-api rollout hold --endpoint records.violation --reason 'until the release'
    """
    _change(endpoints, EventKind.HOLD, changes.held, by=by, reason=reason)


@rollout.command()
@ENDPOINTS
@click.option("--reason", required=True, help="Why; for the audit.")
@BY
def resume(endpoints: Sequence[str], reason: str, by: str) -> None:
    """Take a rollback or a hold back: the percentage applies again, and may be raised.

    After a rollback the guard starts afresh.

    \b
    Example:
      detection-api rollout resume --endpoint records.violation --reason 'fixed in 1.4.2'
    """
    _change(endpoints, EventKind.RESUME, changes.resumed, by=by, reason=reason)


def _change(
    endpoints: Sequence[str],
    kind: EventKind,
    change: changes.Change,
    *,
    by: str,
    reason: str,
    lowers: bool = False,
) -> None:
    """Carry out an order, endpoint by endpoint, and tell what came of each."""
    refuse_unknown(*endpoints, known=with_default())
    store, environment = open_store(), overrides()
    for endpoint in dict.fromkeys(endpoints):
        order = Order(
            endpoint=endpoint, kind=kind, change=change, by=by, reason=reason, lowers=lowers
        )
        outcome = carry_out(store, order, canaried(), environment)
        state = outcome.state
        if outcome.changed:
            click.echo(f"{endpoint}: {state.percent:g}%, {state.status.value}, epoch {state.epoch}")
        else:
            so = f"at {state.percent:g}%" if lowers else state.status.value
            click.echo(f"{endpoint} is {so} already")
        for caution in outcome.cautions:
            click.echo(f"  but {caution}", err=True)
