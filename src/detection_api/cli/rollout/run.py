"""`detection-api rollout run` and `abandon`: roll out in stages, or end a run early."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from detection_api.canary.comparison import branches_of
from detection_api.canary.state import Store
from detection_api.cli.output import print_table
from detection_api.cli.rollout.options import Length, Stages, split
from detection_api.cli.store import (
    BY,
    open_lock,
    open_store,
    overrides,
    refuse_unknown,
    typed,
)
from detection_api.config import read_environ
from detection_api.dev.instance import INSTANCE, running_base
from detection_api.rollout import changes
from detection_api.rollout.controller import (
    Block,
    Controller,
    Lines,
    abandon,
    begin,
    drive,
    new_plan,
    outcome_rows,
    plan_in_words,
    refuse_other_plan,
    unfinished,
)
from detection_api.rollout.routes import routes_of
from detection_api.rollout.run import Completion, OnFailure, Plan, Run
from detection_api.rollout.verification import Verifier
from detection_api.server.signals import INTERRUPTED, stop_on_signals
from detection_api.web.client import TOKEN, read_url

DEFAULTS = Plan(endpoints={})


def _urls(_: click.Context, __: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(read_url(url.rstrip("/")).geturl() for url in split(values))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _default(value: object) -> str:
    return f"  [default: {value}]"


@click.command()
@click.option("--stages", type=Stages(), help="Percentages." + _default("10,25,50,100"))
@click.option("--bake", type=Length(), help="Minimum time of a stage." + _default("10m"))
@click.option(
    "--endpoints",
    "--endpoint",
    "endpoints",
    multiple=True,
    help="Flask's names; may be repeated." + _default("all that the canary serves"),
)
@click.option(
    "--min-requests",
    type=click.IntRange(min=1),
    help="Requests that the domain must answer in a stage." + _default(DEFAULTS.min_requests),
)
@click.option(
    "--max-wrong",
    type=click.FloatRange(0, 100, min_open=True, max_open=True),
    help="Percent of wrong answers that a stage must rule out, with 95% confidence. 1% needs 299"
    " comparisons, 10% needs 29." + _default(f"{DEFAULTS.max_wrong:g}"),
)
@click.option(
    "--min-comparisons",
    type=click.IntRange(min=1),
    help="Answers that must be compared in a stage, in place of what --max-wrong needs.",
)
@click.option(
    "--patience",
    type=Length(),
    help="An endpoint that has not passed a stage after this time goes back to the last stage that"
    " it passed, and the run leaves it." + _default("1d"),
)
@click.option(
    "--on-failure",
    type=click.Choice([choice.value for choice in OnFailure]),
    help="A failed endpoint returns to the previous stage, or to 0%. After wrong answers it always"
    " returns to 0%." + _default(DEFAULTS.on_failure.value),
)
@click.option(
    "--verify-url",
    "verify_urls",
    multiple=True,
    callback=_urls,
    help="An instance to verify before a stage is passed; may be repeated."
    + _default("the `make run` in this folder"),
)
@click.option(
    "--without-verification",
    is_flag=True,
    default=None,
    help="Pass stages without verification over HTTP.",
)
@click.option("--reason", default="", help="The reason, for the audit.")
@BY
@with_appcontext
def run(by: str, reason: str, **options: Any) -> None:
    """Raise endpoints stage by stage, each on its own, on evidence.

    An endpoint passes a stage if the guard permits it, no unaccepted mismatch was found,
    comparisons took every branch of the contract, its P95 is within 500 ms and within 1.5 times
    legacy's, it was verified, and it had enough requests and time. An endpoint with wrong answers
    goes back to 0%, one that fails another gate to a lower percent. An endpoint without enough
    evidence waits. Endpoints do not wait for each other.

    Ctrl-C stops the command and leaves every endpoint as it is. The same command without options
    continues the run. The exit code is 0 if every endpoint has passed every stage.

    \b
    Example:
      detection-api rollout run --stages 10,25,50,100 --bake 10m \\
        --verify-url http://127.0.0.1:8000 --reason 'release 2.0'
    """
    with stop_on_signals() as stop:
        store, lock = open_store(), open_lock()
        lock.take()
        if not overrides().use_domain:
            raise click.ClickException(changes.KILL_SWITCH)
        if stop.is_set():
            sys.exit(INTERRUPTED)
        current = _continue_or_begin(store, _named(options), by=by, reason=reason)
        display = Block() if sys.stdout.isatty() else Lines()
        last = drive(_controller(store, current), lock, current, display, stop)
    sys.exit(_report_end(last))


def _named(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the plan that the operator has named."""
    named = {name: value for name, value in options.items() if value not in (None, ())}
    if "on_failure" in named:
        named["on_failure"] = OnFailure(named["on_failure"])
    if "endpoints" in named:
        named["endpoints"] = split(named["endpoints"])
        refuse_unknown(*named["endpoints"], known=_with_legacy())
    return named


def _with_legacy() -> list[str]:
    """Return the endpoints whose migration is not finished."""
    return [name for name, route in routes_of(current_app).items() if route.legacy is not None]


def _continue_or_begin(store: Store, named: Mapping[str, Any], *, by: str, reason: str) -> Run:
    if current := unfinished(store):
        refuse_other_plan(current, named)
        click.echo(f"continuing run {current.id}: {plan_in_words(current.plan)}")
        return current
    endpoints = named.get("endpoints") or _with_legacy()
    plan = new_plan(store, {**_with_verification(named), "endpoints": endpoints})
    begun = begin(store, plan, by=by, reason=reason)
    click.echo(f"run {begun.id}: {plan_in_words(plan)}")
    if not plan.verify_urls and not plan.without_verification:
        click.echo(
            "no instance is verified over HTTP, so no endpoint can pass a stage: name an instance"
            " with --verify-url, or give --without-verification",
            err=True,
        )
    return begun


def _with_verification(named: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add the instance running in this folder, unless the operator decided on verification."""
    if named.get("verify_urls") or named.get("without_verification"):
        return named
    base = running_base(INSTANCE)
    return {**named, "verify_urls": (base,) if base else ()}


def _controller(store: Store, current: Run) -> Controller:
    app: Any = current_app
    routes = routes_of(app)
    return Controller(
        store,
        current.id,
        contracts={name: branches_of(routes[name].rule) for name in current.plan.endpoints},
        overrides=overrides(),
        verify=Verifier(
            app._get_current_object(), store, current.plan.verify_urls, read_environ().get(TOKEN)
        ),
    )


def _report_end(last: Run) -> int:
    """Print how the run ended, or how to continue it; return the exit code."""
    if last.end is None:
        click.echo(
            f"stopped; run {last.id} is unfinished and every endpoint stays as it is.\n"
            f"  continue:  {typed('rollout run')}\n"
            f"  roll back: {typed('rollout rollback')} --reason ...  (then abandon)\n"
            f"  end:       {typed('rollout abandon')} --reason ..."
        )
        return INTERRUPTED
    completion = Completion(last.end.evidence["completion"])
    click.echo(f"run {last.id} is over, {completion.value}:")
    print_table(("ENDPOINT", "OUTCOME", "PERCENT", "WHY"), outcome_rows(last))
    return 0 if completion is Completion.COMPLETE else 1


@click.command("abandon")
@click.option("--reason", required=True, help="The reason, for the audit.")
@BY
@with_appcontext
def abandon_run(by: str, reason: str) -> None:
    """End the unfinished run; every endpoint stays as it is.

    \b
    Example:
      detection-api rollout abandon --reason 'another plan'
    """
    store, lock = open_store(), open_lock()
    lock.take()
    current = unfinished(store)
    if current is None:
        raise click.ClickException("no run is unfinished")
    abandon(store, current, by=by, reason=reason)
    click.echo(f"run {current.id} is over, abandoned; see `{typed('rollout status')}`")
