"""`detection-api verify`: both arms of a running instance asked for everything, and compared."""

import sys
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import click
import psycopg2

from detection_api import create_app
from detection_api.cli.command import DATABASE, read_variables
from detection_api.cli.rollout.common import JSON, canaried, open_store, print_json, refuse_unknown
from detection_api.config import read_environ
from detection_api.dev.instance import INSTANCE, running_base
from detection_api.errors import ConfigurationError, DeadlineExceededError
from detection_api.rollout.text import line, table
from detection_api.rollout.verification import (
    CaseResult,
    CaseVerdict,
    EndpointResult,
    Terms,
    Times,
    read_terms,
    subjects_of,
)
from detection_api.rollout.verification import verify as verify_instance
from detection_api.web.client import TOKEN, Client, UnreachableError, read_url

HEALTH = "/api/v1/monitoring/health"
LOOK_INTERVAL = 0.5
MAX_FINDINGS = 5
"""So many lines tell why an endpoint did not pass."""
NOWHERE = {DATABASE: "postgresql://"}
"""Of an application that only says which endpoints there are: it never connects."""


def _url(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    try:
        return value and read_url(value).geturl()
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.argument("url", required=False, callback=_url)
@click.option("--endpoint", "endpoints", multiple=True, help="Only this one; may be repeated.")
@click.option(
    "--wait",
    type=click.IntRange(min=0),
    default=0,
    metavar="SECONDS",
    help="Wait so long for it to be healthy.",
)
@JSON
def verify(url: str | None, endpoints: Sequence[str], wait: int, as_json: bool) -> None:
    """Ask both arms of the instance at URL for everything there is, and compare.

    Without URL it is the `make run` in this folder. Every endpoint behind the canary is asked for
    what exists and what does not, at the edges of pages, limits and windows, with inputs drawn
    from the instance's own data. What differs is looked at again, for data moves. A request that
    another arm had to answer is a failure. Differences that are accepted are respected where
    DATABASE_URL is known. Exit code 0 where every endpoint passed, otherwise 1.

    An instance with FORCE_DOMAIN=token wants an operator's token in DETECTION_API_TOKEN.

    \b
    Example:
      detection-api verify http://127.0.0.1:8000 --endpoint records.violation
    """
    environ = read_environ()
    base, known = _target(url, environ)
    client = Client(base, token=environ.get(TOKEN))
    try:
        _wait_until_healthy(client, wait)
        passed = _verify(client, known, endpoints, as_json=as_json)
    except UnreachableError as error:
        raise click.ClickException(f"{base}: {error}") from error
    sys.exit(0 if passed else 1)


def _target(url: str | None, environ: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """The instance's address, and the variables by which its database is known, if it is.

    A database that was found beside a `make run` is not that of another instance.
    """
    here = running_base(INSTANCE)
    if url is None and here is None:
        raise click.UsageError("no `make run` runs in this folder: name the URL of an instance")
    return url or str(here), read_variables() if url in (None, here) else environ


def _wait_until_healthy(client: Client, seconds: int) -> None:
    """Return once the instance is healthy; raises UnreachableError after so many seconds."""
    patience_ends = time.monotonic() + seconds
    while seconds:
        try:
            status = client.get(HEALTH).status
            said = f"{HEALTH} answers with {status}"
            if status == HTTPStatus.OK:
                return
        except UnreachableError as error:
            said = str(error)
        if time.monotonic() > patience_ends:
            raise UnreachableError(f"not healthy after {seconds} s: {said}")
        time.sleep(LOOK_INTERVAL)


def _verify(
    client: Client, environ: Mapping[str, str], endpoints: Sequence[str], *, as_json: bool
) -> bool:
    """Verify, and show what was found; whether every endpoint passed."""
    try:
        app = create_app(environ if environ.get(DATABASE) else {**environ, **NOWHERE})
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    with app.app_context():
        refuse_unknown(*endpoints, known=canaried())
        subjects = subjects_of(app, list(dict.fromkeys(endpoints)) or canaried())
        terms = _terms() if environ.get(DATABASE) else Terms()
        found = verify_instance(client, subjects, terms, _skip if as_json else _show)
    if as_json:
        print_json({"passed": found.passed, "base": found.base, "endpoints": found.endpoints})
    else:
        passed = sum(result.verdict is CaseVerdict.PASSED for result in found.endpoints)
        click.echo(f"{client.base}: {passed} of {len(found.endpoints)} endpoints passed")
    return found.passed


def _terms() -> Terms:
    try:
        return read_terms(open_store())
    except (psycopg2.Error, DeadlineExceededError) as error:
        reason = " ".join(str(error).split())
        click.echo(f"what is accepted is not known, PostgreSQL is away: {reason}", err=True)
        return Terms()


def _skip(_: EndpointResult) -> None:
    """Nothing is said before all is known."""


def _show(result: EndpointResult) -> None:
    """Print an endpoint's cases, what follows from them, and what no answer showed."""
    click.echo(
        f"{result.endpoint}: {result.verdict.value}, {len(result.cases)} cases;"
        f" P50/P95 of legacy {_ms(result.legacy)}, of the domain {_ms(result.domain)}"
    )
    for row in table(("CASE", "LEGACY", "DOMAIN", "RESULT"), map(_row, result.cases)):
        click.echo(f"  {row}")
    for finding in result.findings[:MAX_FINDINGS]:
        click.echo(f"  ! {line(finding)}")
    if len(result.findings) > MAX_FINDINGS:
        click.echo(f"  ! and {len(result.findings) - MAX_FINDINGS} more: --json has them all")
    if result.unexercised:
        click.echo(f"  no answer took: {', '.join(result.unexercised)}")
    click.echo()


def _row(case: CaseResult) -> Sequence[str]:
    statuses = (str(status or "") for status in (case.legacy_status, case.domain_status))
    return (case.case, *statuses, case.ending.value)


def _ms(times: Times) -> str:
    if times.p50 is None or times.p95 is None:
        return "unknown"
    return f"{times.p50:.1f}/{times.p95:.1f} ms"
