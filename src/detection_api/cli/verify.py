"""`detection-api verify`: compare both arms of a running instance over HTTP."""

import sys
from collections.abc import Callable, Mapping, Sequence

import click
import psycopg2

from detection_api import create_app
from detection_api.cli.environment import DATABASE, read_variables
from detection_api.cli.output import JSON, print_json
from detection_api.cli.store import canaried, open_store, refuse_unknown
from detection_api.config import read_environ
from detection_api.dev.instance import INSTANCE, running_base
from detection_api.errors import ConfigurationError, DeadlineExceededError
from detection_api.rollout.text import line, table
from detection_api.rollout.verification import (
    CaseResult,
    CaseVerdict,
    EndpointResult,
    Inputs,
    Times,
    Verification,
    read_inputs,
    subjects_of,
    wait_until_healthy,
)
from detection_api.rollout.verification import verify as verify_instance
from detection_api.web.client import TOKEN, Client, UnreachableError, read_url

MAX_FINDINGS = 5
"""Lines that say why an endpoint did not pass; --json has all of them."""
NO_DATABASE = {DATABASE: "postgresql://"}
"""The setting of an application that only lists its endpoints and never connects."""


def _url(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    try:
        return value and read_url(value).geturl()
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.argument("url", required=False, callback=_url)
@click.option(
    "--endpoint", "endpoints", multiple=True, help="Verify only this one; may be repeated."
)
@click.option(
    "--wait",
    type=click.IntRange(min=0),
    default=0,
    metavar="SECONDS",
    help="Wait at most this long until the instance is healthy.",
)
@JSON
def verify(url: str | None, endpoints: Sequence[str], wait: int, as_json: bool) -> None:
    """Send the same requests to both arms of the instance at URL, and compare the answers.

    Without URL, verifies the `make run` in this folder. Requests ask each endpoint for data that
    exists and data that does not, at the edges of pages, limits and time windows. Inputs come from
    the instance's own data. Answers that differ are compared again, because data may change in
    between. An arm fails if the other arm had to answer for it. Accepted differences are excused
    if DATABASE_URL is known. The exit code is 0 if every endpoint passed, else 1.

    An instance with FORCE_DOMAIN=token needs an operator's token in DETECTION_API_TOKEN.

    \b
    Example:
      detection-api verify http://127.0.0.1:8000 --endpoint records.violation
    """
    environ = read_environ()
    base, variables = _target(url, environ)
    client = Client(base, token=environ.get(TOKEN))
    show = _skip if as_json else _show
    try:
        wait_until_healthy(client, wait)
        result = _verify(client, variables, endpoints, show)
    except UnreachableError as error:
        raise click.ClickException(f"{base}: {error}") from error
    if as_json:
        print_json({"passed": result.passed, "base": result.base, "endpoints": result.endpoints})
    else:
        passed = sum(each.verdict is CaseVerdict.PASSED for each in result.endpoints)
        click.echo(f"{client.base}: {passed} of {len(result.endpoints)} endpoints passed")
    sys.exit(0 if result.passed else 1)


def _target(url: str | None, environ: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """Return the instance's address, and the variables that name its database, if known.

    The database of the `make run` in this folder is not used for any other instance.
    """
    running = running_base(INSTANCE)
    if url is None and running is None:
        raise click.UsageError("no `make run` is running in this folder: give an instance's URL")
    return url or str(running), read_variables() if url in (None, running) else environ


def _verify(
    client: Client,
    environ: Mapping[str, str],
    endpoints: Sequence[str],
    show: Callable[[EndpointResult], None],
) -> Verification:
    try:
        app = create_app(environ if environ.get(DATABASE) else {**environ, **NO_DATABASE})
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    with app.app_context():
        refuse_unknown(*endpoints, known=canaried())
        subjects = subjects_of(app, list(dict.fromkeys(endpoints)) or canaried())
        inputs = _inputs() if environ.get(DATABASE) else Inputs()
        return verify_instance(client, subjects, inputs, show)


def _inputs() -> Inputs:
    try:
        return read_inputs(open_store())
    except (psycopg2.Error, DeadlineExceededError) as error:
        reason = " ".join(str(error).split())
        click.echo(f"accepted differences are unknown, PostgreSQL is away: {reason}", err=True)
        return Inputs()


def _skip(_: EndpointResult) -> None:
    """Print nothing."""


def _show(result: EndpointResult) -> None:
    """Print an endpoint's cases, findings, and the branches that no answer took."""
    click.echo(
        f"{result.endpoint}: {result.verdict.value}, {len(result.cases)} cases;"
        f" P50/P95 of legacy {_ms(result.legacy)}, of the domain {_ms(result.domain)}"
    )
    for row in table(("CASE", "LEGACY", "DOMAIN", "RESULT"), map(_row, result.cases)):
        click.echo(f"  {row}")
    for finding in result.findings[:MAX_FINDINGS]:
        click.echo(f"  ! {line(finding)}")
    if len(result.findings) > MAX_FINDINGS:
        click.echo(f"  ! and {len(result.findings) - MAX_FINDINGS} more: --json has all")
    if result.unexercised:
        click.echo(f"  branches that no answer took: {', '.join(result.unexercised)}")
    click.echo()


def _row(case: CaseResult) -> Sequence[str]:
    statuses = (str(status or "") for status in (case.legacy_status, case.domain_status))
    return (case.case, *statuses, case.ending.value)


def _ms(times: Times) -> str:
    if times.p50 is None or times.p95 is None:
        return "unknown"
    return f"{times.p50:.1f}/{times.p95:.1f} ms"
