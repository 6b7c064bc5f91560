"""`detection-api accepted`: differences between the arms that are known and excused."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import click

from detection_api import token_format
from detection_api.canary.comparison import ANY, Kind
from detection_api.canary.state import AcceptedDifference
from detection_api.cli.rollout.common import (
    BY,
    JSON,
    Commands,
    canaried,
    open_store,
    print_json,
    print_table,
    refuse_unknown,
)
from detection_api.clock import utc_now
from detection_api.rollout.gates import BRANCH, LATENCY
from detection_api.rollout.text import moment

_STEPS = r"""\$(\*|\.[^\s.\[\]"]+|\[\*\]|\["([^"\\]|\\.)*"\])*"""
_PATH = re.compile(_STEPS)
_BRANCH_PATH = re.compile(f"{_STEPS}:(null|value|empty|items|absent|present)")
_DAYS = re.compile(r"(\d{1,4})d", re.ASCII)
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""From here on the store takes no expiry: what is excused for ever is no canary's business."""


def read_expiry(text: str, now: datetime) -> datetime:
    """The moment that `30d` or `2026-12-31` (the end of that day, UTC) means.

    Raises ValueError for anything else, and for what has passed or never comes.
    """
    expires_at = now
    if days := _DAYS.fullmatch(text):
        expires_at = now + timedelta(days=int(days[1]))
    elif day := _DATE.fullmatch(text):
        expires_at = datetime.combine(date(*map(int, day.groups())), time.max, UTC)
    if not now < expires_at < NEVER:
        raise ValueError("not a moment to come")
    return expires_at


def check_path(path: str, kind: str) -> None:
    """Raise ValueError for a path that excuses nothing of that kind."""
    if kind == BRANCH and not _BRANCH_PATH.fullmatch(path):
        raise ValueError("must be a branch as a rollout run names it, such as '$.records:empty'")
    if kind == LATENCY and path != "$":
        raise ValueError("must be $: it is all of the endpoint's answers that take longer")
    if kind not in (BRANCH, LATENCY) and not _PATH.fullmatch(path):
        raise ValueError(
            "must be a JSONPath from $, with [*] for every index and * for any text,"
            " such as '$.records[*].fps'"
        )


def _expiry(_: click.Context, __: click.Parameter, value: str) -> datetime:
    try:
        return read_expiry(value, utc_now())
    except ValueError:
        raise click.BadParameter("must be days or a date to come: 30d, 2026-12-31") from None


@click.group(cls=Commands)
def accepted() -> None:
    """Say which differences between domain and legacy are meant to be, and until when.

    `detection-api rollout mismatches` shows what was found.
    """


@accepted.command()
@click.argument("endpoint")
@click.argument("path")
@click.argument("kind", type=click.Choice([*(kind.value for kind in Kind), BRANCH, LATENCY, ANY]))
@click.option("--reason", required=True, help="Why it is right that the arms differ.")
@click.option(
    "--expires",
    "expires_at",
    required=True,
    callback=_expiry,
    help="When it counts as a mismatch again: 30d, or the last day, 2026-12-31.",
)
@BY
def add(endpoint: str, path: str, kind: str, reason: str, expires_at: datetime, by: str) -> None:
    """Excuse differences of ENDPOINT at PATH of one KIND (* for any).

    PATH is a JSONPath in which * stands for any text. With the kind `branch`, PATH is a branch of
    the contract that real data never takes, and that no comparison has to take either. With the
    kind `latency`, and $ for PATH, the domain may be slower than legacy: up to a P95 of 500 ms.

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
    """Show what is accepted, oldest first; and what has expired or was never needed.

    \b
    Example:
      detection-api accepted list
    """
    found = open_store().accepted()
    if as_json:
        print_json(found)
    elif not found:
        click.echo("no accepted differences")
    else:
        header = (
            *("ID", "ENDPOINT", "PATH", "KIND", "USED", "LAST USED", "EXPIRES", "BY"),
            *("STANDING", "REASON"),
        )
        now = utc_now()
        print_table(header, [_row(difference, now) for difference in found])


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
        standing(difference, now),
        difference.reason,
    )


def standing(difference: AcceptedDifference, now: datetime) -> str:
    """Whether a difference is excused still, and whether that was ever needed."""
    time_left = "valid" if difference.expires_at > now else "expired"
    if difference.kind in (BRANCH, LATENCY):  # what no comparison can meet
        return time_left
    return time_left if difference.used else f"{time_left}, never used"


@accepted.command()
@click.argument("identifier", metavar="ID", type=int)
def remove(identifier: int) -> None:
    """Take the acceptance ID back: the difference counts as a mismatch again.

    \b
    Example:
      detection-api accepted remove 3
    """
    if not open_store().withdraw(identifier):
        raise click.ClickException(f"there is no accepted difference {identifier}")
    click.echo(f"removed {identifier}")
