"""`detection-api rollout assess`: which endpoints' legacy may be deleted."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import cast

import click
from flask import current_app
from flask.cli import with_appcontext

from detection_api.canary.comparison import branches_of
from detection_api.canary.flask import CanariedView
from detection_api.canary.serving import CanarySettings, Implementation, Route
from detection_api.canary.state import Store, Usage
from detection_api.cli.rollout.common import (
    JSON,
    canaried,
    open_store,
    overrides,
    print_json,
    print_table,
    refuse_unknown,
)
from detection_api.clock import utc_now
from detection_api.rollout.retirement import (
    QUIET,
    Assessment,
    AssessmentInput,
    Code,
    Unused,
    assess,
    exposures,
)
from detection_api.rollout.text import moment

MAY_GO, NOT_YET, FINISHED = "may go", "not yet", "finished"
NOT_ALL = 1
"""The exit code where some legacy has to stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessmentRow:
    """What is told of an endpoint: a verdict, its assessment if it has legacy, and what goes."""

    endpoint: str
    verdict: str
    assessment: Assessment | None
    goes: tuple[Unused, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is told of all; `together` goes when the legacy of all that may go is deleted."""

    endpoints: tuple[AssessmentRow, ...]
    together: tuple[Unused, ...]


@click.command("assess")
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    help="Only this one; may be repeated.  [default: every endpoint]",
)
@JSON
@with_appcontext
def assess_command(endpoints: Sequence[str], as_json: bool) -> None:
    """Say of which endpoints legacy may be deleted, what is missing, and which code goes.

    The criteria and the steps are in docs/retirement.md. Exits with 1 while any legacy has to
    stay.

    \b
    Example:
      detection-api rollout assess --endpoint records.violation
    """
    refuse_unknown(*endpoints, known=canaried())
    rows = tuple(_rows(open_store(), endpoints or canaried(), overrides()))
    going = [row.endpoint for row in rows if row.verdict == MAY_GO]
    found = Found(endpoints=rows, together=goes_with(*going) if len(going) > 1 else ())
    if as_json:
        print_json(found)
    else:
        _print(found)
    if any(row.verdict == NOT_YET for row in rows):
        raise click.exceptions.Exit(NOT_ALL)


def _rows(
    store: Store, endpoints: Sequence[str], environment: CanarySettings
) -> Iterator[AssessmentRow]:
    retention = timedelta(days=environment.retention_days)
    events = store.events(limit=None)
    usage, recent = store.usage(retention), store.usage(QUIET)
    branches, accepted = store.branches(), store.accepted()
    for endpoint in dict.fromkeys(endpoints):
        route = route_of(endpoint)
        if route.legacy is None:
            yield AssessmentRow(endpoint=endpoint, verdict=FINISHED, assessment=None)
            continue
        facts = AssessmentInput(
            now=utc_now(),
            exposures=exposures(events, endpoint),
            usage=_by_arm(usage, endpoint),
            recent=_by_arm(recent, endpoint),
            mismatches=store.mismatches(endpoint),
            accepted=[d for d in accepted if d.endpoint == endpoint],
            missing_branches={b for b in branches_of(route.rule) if (endpoint, b) not in branches},
            retention=retention,
            pinned=environment.pinned_percent(endpoint) if environment.use_domain else 0.0,
        )
        found = assess(facts)
        verdict = NOT_YET if found.missing else MAY_GO
        yield AssessmentRow(
            endpoint=endpoint, verdict=verdict, assessment=found, goes=goes_with(endpoint)
        )


def route_of(endpoint: str) -> Route:
    """The route of an endpoint that the canary serves."""
    return cast(CanariedView, current_app.view_functions[endpoint]).canary


def _by_arm(usage: Sequence[Usage], endpoint: str) -> Mapping[str, Usage]:
    return {each.arm: each for each in usage if each.endpoint == endpoint}


def goes_with(*endpoints: str) -> tuple[Unused, ...]:
    """The code that nobody uses any more once the legacy of `endpoints` is None."""
    legacies = [legacy for e in endpoints if (legacy := route_of(e).legacy) is not None]
    root, package, below = _place(legacies[0])
    gone = {(legacy.__module__, legacy.__qualname__) for legacy in legacies}
    return tuple(_code(root, package).unused_without(gone, below))


def _place(legacy: Implementation) -> tuple[Path, str, str]:
    """The folder of the application, its package, and the package of all its legacy."""
    module = legacy.__module__
    root = Path(inspect.getfile(legacy)).resolve().parents[module.count(".")]
    return root, module.partition(".")[0], module.rpartition(".")[0]


@cache
def _code(root: Path, package: str) -> Code:
    return Code(root, package)


def _print(found: Found) -> None:
    header = ("ENDPOINT", "LEGACY", "DAYS AT 100%", "LEGACY LAST ANSWERED", "WHY")
    print_table(header, map(_row, found.endpoints))
    for row in found.endpoints:
        click.echo(f"\n{row.endpoint}: {row.verdict}")
        for check in row.assessment.missing if row.assessment else ():
            until = f"; earliest {moment(check.until)}" if check.until else ""
            click.echo(f"  missing: {check.criterion.value}: {check.finding}{until}")
        _print_unused(row.goes)
    if found.together:
        click.echo("\nall that may go together:")
        _print_unused(found.together)


def _print_unused(goes: Sequence[Unused]) -> None:
    for unused in goes:
        what = "the whole file" if unused.whole else ", ".join(unused.names)
        click.echo(f"  goes: {unused.file}: {what}")


def _row(row: AssessmentRow) -> Sequence[str]:
    found = row.assessment
    if found is None:
        return (row.endpoint, row.verdict, "", "", "")
    last = found.last_legacy_answer
    return (
        row.endpoint,
        row.verdict,
        f"{found.full_days:.1f}",
        moment(last.at) if last else "not in the ledger",
        last.reason if last else "",
    )
