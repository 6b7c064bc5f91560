"""`detection-api rollout run` and `abandon`: a rollout in stages, and its end before its time."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import click
from flask import current_app
from flask.cli import with_appcontext

from detection_api.canary.comparison import branches_of
from detection_api.canary.flask import CanariedView
from detection_api.canary.serving import Route
from detection_api.canary.state import Store
from detection_api.cli.rollout.common import (
    BY,
    canaried,
    open_lock,
    open_store,
    overrides,
    print_table,
    refuse_unknown,
    typed,
)
from detection_api.cli.rollout.options import Length, Stages, split
from detection_api.config import read_environ
from detection_api.dev.instance import INSTANCE, Instance, find_running
from detection_api.rollout import changes
from detection_api.rollout.controller import (
    Block,
    Controller,
    Lines,
    abandon,
    begin,
    drive,
    outcome_rows,
    plan_in_words,
)
from detection_api.rollout.run import Completion, OnFailure, Plan, Run, latest
from detection_api.rollout.verification import Verifier
from detection_api.server.signals import INTERRUPTED, stop_on_signals
from detection_api.web.client import TOKEN, read_url

DEFAULTS = Plan(endpoints={})


def _urls(_: click.Context, __: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(read_url(url.rstrip("/")).geturl() for url in split(values))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _shown(value: Any) -> str:
    return f"  [default: {value}]"


@click.command()
@click.option("--stages", type=Stages(), help="Percentages." + _shown("10,25,50,100"))
@click.option("--bake", type=Length(), help="What a stage takes at least." + _shown("10m"))
@click.option(
    "--endpoints",
    "--endpoint",
    "endpoints",
    multiple=True,
    help="Which, by Flask's names; may be repeated." + _shown("all that the canary serves"),
)
@click.option(
    "--min-requests",
    type=click.IntRange(min=1),
    help="Requests that the domain has to answer in a stage." + _shown(DEFAULTS.min_requests),
)
@click.option(
    "--min-comparisons",
    type=click.IntRange(min=1),
    help="Answers that have to be compared in a stage." + _shown(DEFAULTS.min_comparisons),
)
@click.option(
    "--patience",
    type=Length(),
    help="After so long in a stage an endpoint that has not passed is left behind." + _shown("1d"),
)
@click.option(
    "--on-failure",
    type=click.Choice([choice.value for choice in OnFailure]),
    help="Where an endpoint goes that fails: to the previous stage, or to 0%."
    + _shown(DEFAULTS.on_failure.value),
)
@click.option(
    "--verify-url",
    "verify_urls",
    multiple=True,
    callback=_urls,
    help="An instance whose answers are verified before a stage is passed; may be repeated."
    + _shown("the `make run` in this folder"),
)
@click.option(
    "--without-verification",
    is_flag=True,
    default=None,
    help="Pass stages though nobody has verified them over HTTP.",
)
@click.option("--reason", default="", help="Why; for the audit.")
@BY
@with_appcontext
def run(by: str, reason: str, **given: Any) -> None:
    """Raise endpoints stage by stage, each on its own, on evidence.

    A stage is passed with the guard's permission, no mismatch that is not accepted, comparisons
    that took every branch of the contract, a P95 within 500 ms and 1.5 times legacy's, a
    verification, enough requests, and time. What fails goes back, what is missing is waited for.
    Bad endpoints do not hold up good ones.

    Ctrl-C leaves every endpoint as it is; the same command without options goes on with the run.
    The exit code is 0 where every endpoint has passed every stage.

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
        going = _run(store, _given(given), by=by, reason=reason)
        display = Block() if sys.stdout.isatty() else Lines()
        ended = drive(_controller(store, going), lock, going, display, stop)
    sys.exit(_conclude(ended))


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of the plan that the operator has named."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if "on_failure" in given:
        given["on_failure"] = OnFailure(given["on_failure"])
    if "endpoints" in given:
        given["endpoints"] = split(given["endpoints"])
        refuse_unknown(*given["endpoints"], known=_two_armed())
    return given


def _two_armed() -> list[str]:
    """The endpoints whose migration is not finished."""
    return [name for name in canaried() if _route(name).legacy is not None]


def _route(endpoint: str) -> Route:
    return cast(CanariedView, current_app.view_functions[endpoint]).canary


def _run(store: Store, given: Mapping[str, Any], *, by: str, reason: str) -> Run:
    """The unfinished run, or the new one that was asked for."""
    unfinished = latest(store)
    if unfinished is not None and unfinished.end is None:
        _refuse_other(unfinished, given)
        click.echo(f"going on with run {unfinished.id}: {plan_in_words(unfinished.plan)}")
        return unfinished
    states = store.read().states
    endpoints = given.get("endpoints") or _two_armed()
    percents = {endpoint: changes.own(states, endpoint).percent for endpoint in endpoints}
    plan = replace(DEFAULTS, **{**_verified_here(given), "endpoints": percents})
    begun = begin(store, plan, by=by, reason=reason)
    click.echo(f"run {begun.id}: {plan_in_words(plan)}")
    if not plan.verify_urls and not plan.without_verification:
        click.echo(
            "nothing is verified over HTTP, and so no stage will be passed: name an instance with"
            " --verify-url, or say --without-verification",
            err=True,
        )
    return begun


def _verified_here(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the operator has named; the `make run` in this folder is what is verified by itself."""
    if given.get("verify_urls") or given.get("without_verification"):
        return given
    running = find_running(INSTANCE)
    urls = (Instance(INSTANCE, int(running["PORT"])).base,) if running else ()
    return {**given, "verify_urls": urls}


def _refuse_other(unfinished: Run, given: Mapping[str, Any]) -> None:
    """Refuse another plan while a run is unfinished."""
    plan = unfinished.plan
    named = {**given}
    endpoints = named.pop("endpoints", None)
    differing = [name for name, value in named.items() if getattr(plan, name) != value]
    if endpoints is not None and set(endpoints) != set(plan.endpoints):
        differing.append("endpoints")
    if differing:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(differing))
        raise click.ClickException(
            f"run {unfinished.id} is unfinished and has another plan ({options}):"
            " `detection-api rollout run` without options goes on with it,"
            " `detection-api rollout abandon --reason ...` ends it"
        )


def _controller(store: Store, going: Run) -> Controller:
    app: Any = current_app
    token = read_environ().get(TOKEN)
    return Controller(
        store,
        going.id,
        contracts={name: branches_of(_route(name).rule) for name in going.plan.endpoints},
        overrides=overrides(),
        verify=Verifier(app._get_current_object(), store, going.plan.verify_urls, token),
    )


def _conclude(ended: Run) -> int:
    """Tell how it ended or may go on; the exit code."""
    if ended.end is None:
        click.echo(
            f"stopped; run {ended.id} is unfinished and every endpoint stays as it is.\n"
            f"  on:   {typed('rollout run')}\n"
            f"  back: {typed('rollout rollback')} --reason ...  (then abandon)\n"
            f"  end:  {typed('rollout abandon')} --reason ..."
        )
        return INTERRUPTED
    completion = Completion(ended.end.evidence["completion"])
    click.echo(f"run {ended.id} is over, {completion.value}:")
    print_table(("ENDPOINT", "OUTCOME", "PERCENT", "WHY"), outcome_rows(ended))
    return 0 if completion is Completion.COMPLETE else 1


@click.command("abandon")
@click.option("--reason", required=True, help="Why; for the audit.")
@BY
@with_appcontext
def abandon_run(by: str, reason: str) -> None:
    """End the unfinished run where it is: every endpoint stays as it stands.

    \b
    Example:
      detection-api rollout abandon --reason 'another plan'
    """
    store, lock = open_store(), open_lock()
    lock.take()
    unfinished = latest(store)
    if unfinished is None or unfinished.end is not None:
        raise click.ClickException("no run is unfinished")
    abandon(store, unfinished, by=by, reason=reason)
    click.echo(f"run {unfinished.id} is over, abandoned; see `{typed('rollout status')}`")
