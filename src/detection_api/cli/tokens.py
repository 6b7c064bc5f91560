"""`detection-api tokens`: create, list and revoke tokens for the rollout over HTTP."""

from collections.abc import Sequence

import click

from detection_api.cli.output import JSON, print_json, print_table
from detection_api.cli.store import BY, StoreGroup, open_pool
from detection_api.errors import ConflictError, NotFoundError
from detection_api.models.tokens import Role
from detection_api.rollout.text import moment
from detection_api.services.tokens import NAME, Token, Tokens

ONCE = "The token is shown only now. Send it as `Authorization: Bearer TOKEN`."


def _name(_: click.Context, __: click.Parameter, value: str) -> str:
    if not NAME.fullmatch(value):
        raise click.BadParameter(
            "must be at most 63 letters, digits or . _ @ -, and begin with a letter or a digit"
        )
    return value


def _open_tokens() -> Tokens:
    return Tokens(open_pool().connection)


@click.group(cls=StoreGroup)
def tokens() -> None:
    """Create, list and revoke tokens of viewers and operators of the rollout over HTTP.

    `detection-api rollout events` shows who created and revoked each token.

    \b
    Example:
      detection-api tokens create alice --role operator
    """


@tokens.command()
@click.argument("name", callback=_name)
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    required=True,
    help="A viewer sees the rollout; an operator may also change it.",
)
@BY
def create(name: str, role: str, by: str) -> None:
    """Create a token for NAME, a person or a program; the audit names it for each change.

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
    """List all tokens, oldest first, with those that were revoked.

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
@click.option("--reason", default="", help="The reason, for the audit.")
@BY
def revoke(name: str, reason: str, by: str) -> None:
    """Revoke the token of NAME: every worker refuses it within a second.

    You may create a new token for the same name afterwards.

    \b
    Example:
      detection-api tokens revoke alice --reason 'has left'
    """
    try:
        _open_tokens().revoke(name, by=by, reason=reason)
    except NotFoundError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"revoked the token of {name}")
