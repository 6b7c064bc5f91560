"""`detection-api rollout assess`: list the endpoints whose legacy may be deleted."""

from collections.abc import Sequence

import click
from flask import current_app
from flask.cli import with_appcontext

from detection_api.cli.output import JSON, print_json, print_table
from detection_api.cli.store import open_store, overrides, refuse_unknown
from detection_api.rollout.retirement import (
    NOT_YET,
    Survey,
    SurveyedEndpoint,
    Unused,
    survey_endpoints,
)
from detection_api.rollout.routes import routes_of
from detection_api.rollout.text import moment

NOT_ALL = 1
"""The exit code if the legacy of an endpoint has to stay."""


@click.command()
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    help="Assess only this one; may be repeated.  [default: every endpoint]",
)
@JSON
@with_appcontext
def assess(endpoints: Sequence[str], as_json: bool) -> None:
    """Assess which legacy may be deleted: show what is missing, and which code goes with it.

    docs/retirement.md has the criteria and the steps. The exit code is 1 while the legacy of any
    endpoint has to stay.

    \b
    Example:
      detection-api rollout assess --endpoint records.violation
    """
    routes = routes_of(current_app)
    refuse_unknown(*endpoints, known=list(routes))
    result = survey_endpoints(open_store(), routes, endpoints or list(routes), overrides())
    if as_json:
        print_json(result)
    else:
        _print(result)
    if any(each.verdict == NOT_YET for each in result.endpoints):
        raise click.exceptions.Exit(NOT_ALL)


def _print(result: Survey) -> None:
    header = ("ENDPOINT", "LEGACY", "DAYS AT 100%", "LEGACY LAST ANSWERED", "WHY")
    print_table(header, map(_row, result.endpoints))
    for each in result.endpoints:
        click.echo(f"\n{each.endpoint}: {each.verdict}")
        for check in each.assessment.missing if each.assessment else ():
            until = f"; earliest {moment(check.until)}" if check.until else ""
            click.echo(f"  missing: {check.criterion.value}: {check.finding}{until}")
        _print_unused(each.goes)
    if result.together:
        click.echo("\nif all that may go are deleted together:")
        _print_unused(result.together)


def _print_unused(files: Sequence[Unused]) -> None:
    for unused in files:
        names = "the whole file" if unused.whole else ", ".join(unused.names)
        click.echo(f"  goes: {unused.file}: {names}")


def _row(each: SurveyedEndpoint) -> Sequence[str]:
    assessment = each.assessment
    if assessment is None:
        return (each.endpoint, each.verdict, "", "", "")
    last = assessment.last_legacy_answer
    return (
        each.endpoint,
        each.verdict,
        f"{assessment.full_days:.1f}",
        moment(last.at) if last else "not in the ledger",
        last.reason if last else "",
    )
