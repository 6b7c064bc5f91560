"""`detection-api accepted`: accept differences between the arms that are meant to be."""

from collections.abc import Sequence
from datetime import datetime

import click

from detection_api import token_format
from detection_api.canary.comparison import ANY, Kind
from detection_api.canary.state import AcceptedDifference
from detection_api.cli.output import JSON, print_json, print_table
from detection_api.cli.store import BY, StoreGroup, canaried, open_store, refuse_unknown
from detection_api.clock import utc_now
from detection_api.rollout.acceptance import check_path, read_expiry, validity
from detection_api.rollout.gates import BRANCH, LATENCY
from detection_api.rollout.text import moment


def _expiry(_: click.Context, __: click.Parameter, value: str) -> datetime:
    try:
        return read_expiry(value, utc_now())
    except ValueError:
        raise click.BadParameter("must be days or a future date: 30d, 2026-12-31") from None


@click.group(cls=StoreGroup)
def accepted() -> None:
    """Accept differences between domain and legacy that are meant to be, until a date.

    `detection-api rollout mismatches` shows the differences that were found.

    \b
    Example:
      detection-api accepted list
    """


@accepted.command()
@click.argument("endpoint")
@click.argument("path")
@click.argument("kind", type=click.Choice([*(kind.value for kind in Kind), BRANCH, LATENCY, ANY]))
@click.option("--reason", required=True, help="Why the arms may differ.")
@click.option(
    "--expires",
    "expires_at",
    required=True,
    callback=_expiry,
    help="How long it is accepted: 30d, or the last day, 2026-12-31.",
)
@BY
def add(endpoint: str, path: str, kind: str, reason: str, expires_at: datetime, by: str) -> None:
    """Accept differences of ENDPOINT at PATH of one KIND (* for any).

    PATH is a JSONPath in which * stands for any text. The kind `branch` accepts that no comparison
    takes the branch PATH of the contract, because real data never does. The kind `latency`, with
    $ as PATH, accepts that the domain is slower than legacy; its P95 must still be within 500 ms.

    \b
    Example:
      detection-api accepted add records.violation '$.confidence' type \\
        --reason 'the domain rounds' --expires 30d
      detection-api accepted add cameras.cameras '$.cameras:empty' branch \\
        --reason 'there are always cameras' --expires 90d
    """
    refuse_unknown(endpoint, known=canaried())
    try:
        check_path(path, kind)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="PATH") from None
    stored = open_store().accept(
        AcceptedDifference(
            endpoint=endpoint,
            path=path,
            kind=kind,
            reason=token_format.redacted(reason),
            by=by,
            expires_at=expires_at,
        )
    )
    click.echo(f"accepted as {stored.id} until {moment(stored.expires_at)}")


@accepted.command("list")
@JSON
def list_accepted(as_json: bool) -> None:
    """List the accepted differences, oldest first, with those that have expired.

    \b
    Example:
      detection-api accepted list
    """
    differences = open_store().accepted()
    if as_json:
        print_json(differences)
    elif not differences:
        click.echo("no accepted differences")
    else:
        header = (
            *("ID", "ENDPOINT", "PATH", "KIND", "USED", "LAST USED", "EXPIRES", "BY"),
            *("VALIDITY", "REASON"),
        )
        now = utc_now()
        print_table(header, [_row(difference, now) for difference in differences])


def _row(difference: AcceptedDifference, now: datetime) -> Sequence[str]:
    return (
        str(difference.id),
        difference.endpoint,
        difference.path,
        difference.kind,
        f"{difference.used:,}",
        moment(difference.last_used_at),
        moment(difference.expires_at),
        difference.by,
        validity(difference, now),
        difference.reason,
    )


@accepted.command()
@click.argument("identifier", metavar="ID", type=int)
def remove(identifier: int) -> None:
    """Remove the acceptance ID: the difference counts as a mismatch again.

    \b
    Example:
      detection-api accepted remove 3
    """
    if not open_store().withdraw(identifier):
        raise click.ClickException(f"there is no accepted difference {identifier}")
    click.echo(f"removed {identifier}")
