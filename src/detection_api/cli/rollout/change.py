"""`detection-api rollout set`, `rollback`, `hold` and `resume`: change endpoints' exposure."""

from collections.abc import Sequence

import click
from flask.cli import with_appcontext

from detection_api.canary.state import DEFAULT, EventKind
from detection_api.cli.environment import database_error
from detection_api.cli.store import (
    BY,
    canaried,
    open_store,
    overrides,
    refuse_unknown,
    with_default,
)
from detection_api.db import UNAVAILABLE
from detection_api.rollout import changes
from detection_api.rollout.orders import Order, carry_out

MAX_PERCENT = 100
WITHOUT_POSTGRESQL = (
    "Without PostgreSQL, the kill switch sends everything to legacy: set USE_DOMAIN_SERVICE=false"
    " in the env file\nof the workers and send them HUP, on each host; see docs/runbook.md"
)

ENDPOINTS = click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    default=[DEFAULT],
    help="Flask's name, such as records.violation; may be repeated."
    "  [default: *, for all endpoints without a percentage of their own]",
)
REASON = click.option("--reason", required=True, help="The reason, for the audit.")


def _percent(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
    if value is not None and not 0 <= value <= MAX_PERCENT:  # refuses NaN, too
        raise click.BadParameter("must be 0 to 100")
    return value


@click.command("set")
@click.argument("percent", type=float, callback=_percent)
@ENDPOINTS
@click.option("--reason", default="", help="The reason, for the audit.")
@BY
@with_appcontext
def set_percent(percent: float, endpoints: Sequence[str], reason: str, by: str) -> None:
    """Have the domain answer PERCENT (0 to 100) of the subjects.

    An endpoint that is rolled back stays so; it applies the percentage after `resume`.

    \b
    Example:
      detection-api rollout set 25 --endpoint statistics.daily --reason 'stage 2'
    """
    _change(endpoints, EventKind.SET, changes.percent_set(percent), by=by, reason=reason)


@click.command()
@ENDPOINTS
@REASON
@click.option(
    "--to",
    "percent",
    type=float,
    callback=_percent,
    help="Lower the percentage to this instead, and keep applying it.",
)
@BY
@with_appcontext
def rollback(endpoints: Sequence[str], reason: str, percent: float | None, by: str) -> None:
    """Send everything to legacy until `resume`; without --endpoint, for every endpoint.

    With --to, the domain answers at most that percentage instead. This never raises a percentage.

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


@click.command()
@ENDPOINTS
@REASON
@BY
@with_appcontext
def hold(endpoints: Sequence[str], reason: str, by: str) -> None:
    """Keep the percentage: it cannot be raised until `resume`.

    \b
    Example:
      detection-api rollout hold --endpoint records.violation --reason 'until the release'
    """
    _change(endpoints, EventKind.HOLD, changes.held, by=by, reason=reason)


@click.command()
@ENDPOINTS
@REASON
@BY
@with_appcontext
def resume(endpoints: Sequence[str], reason: str, by: str) -> None:
    """End a rollback or a hold: the percentage applies again, and may be raised.

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
    """Carry out an order for each endpoint, and print the results."""
    refuse_unknown(*endpoints, known=with_default())
    store, environment = open_store(), overrides()
    for endpoint in dict.fromkeys(endpoints):
        order = Order(
            endpoint=endpoint, kind=kind, change=change, by=by, reason=reason, lowers=lowers
        )
        result = carry_out(store, order, canaried(), environment)
        state = result.state
        if result.changed:
            click.echo(f"{endpoint}: {state.percent:g}%, {state.status.value}, epoch {state.epoch}")
        else:
            present = f"at {state.percent:g}%" if lowers else state.status.value
            click.echo(f"{endpoint} is already {present}")
        for caution in result.cautions:
            click.echo(f"  but {caution}", err=True)
