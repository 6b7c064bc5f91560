"""`detection-api tokens`: who may see and change the rollout over HTTP."""

from collections.abc import Sequence

import click

from detection_api.cli.rollout.common import BY, JSON, Commands, open_pool, print_json, print_table
from detection_api.errors import ConflictError, NotFoundError
from detection_api.models.tokens import Role
from detection_api.rollout.text import moment
from detection_api.services.tokens import NAME, Token, Tokens

ONCE = "This is the only time that it is shown. Send it as `Authorization: Bearer TOKEN`."


def _name(_: click.Context, __: click.Parameter, value: str) -> str:
    if not NAME.fullmatch(value):
        raise click.BadParameter(
            "must be up to 63 letters, digits or . _ @ - and begin with a letter or a digit"
        )
    return value


def _open_tokens() -> Tokens:
    return Tokens(open_pool().connection)


@click.group(cls=Commands)
def tokens() -> None:
    """Make, list and revoke the tokens of those who operate the rollout over HTTP.

    `detection-api rollout events` tells who made and revoked which.
    """


@tokens.command()
@click.argument("name", callback=_name)
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    required=True,
    help="A viewer sees how things stand; an operator changes them, too.",
)
@BY
def create(name: str, role: str, by: str) -> None:
    """Make a token for NAME, a person or a program; the audit has what is done with it.

    Only the token goes to standard output. It is stored as a hash and cannot be shown again.

    \b
    Example:
      detection-api tokens create alice --role operator
    """
    try:
        token = _open_tokens().create(name, Role(role), by=by)
    except ConflictError as error:
        raise click.ClickException(str(error)) from error
    click.echo(token)
    click.echo(ONCE, err=True)


@tokens.command("list")
@JSON
def list_tokens(as_json: bool) -> None:
    """Show who has a token, and who had one, oldest first.

    \b
    Example:
      detection-api tokens list
    """
    found = _open_tokens().all()
    if as_json:
        print_json(found)
    elif not found:
        click.echo("no tokens")
    else:
        print_table(("NAME", "ROLE", "CREATED", "BY", "REVOKED", "BY"), map(_row, found))


def _row(token: Token) -> Sequence[str]:
    return (
        token.name,
        token.role.value,
        moment(token.created_at),
        token.created_by,
        moment(token.revoked_at),
        token.revoked_by or "",
    )


@tokens.command()
@click.argument("name")
@click.option("--reason", default="", help="Why; for the audit.")
@BY
def revoke(name: str, reason: str, by: str) -> None:
    """Take the token of NAME away; every worker refuses it within a second.

    The name is free for a new token then.

    \b
    Example:
      detection-api tokens revoke alice --reason 'has left'
    """
    try:
        _open_tokens().revoke(name, by=by, reason=reason)
    except NotFoundError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"revoked the token of {name}")
