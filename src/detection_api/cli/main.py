"""The `detection-api` command. It adds every other command."""

from typing import Any

import click
from flask import Flask
from flask.cli import AppGroup, NoAppException, ScriptInfo
from flask_migrate.cli import db

from detection_api import __version__, create_app
from detection_api.cli.data import data
from detection_api.cli.demo import demo
from detection_api.cli.environment import clear_database_errors, explain, read_variables
from detection_api.cli.ingest import ingest
from detection_api.cli.rollout.accepted import accepted
from detection_api.cli.rollout.group import rollout
from detection_api.cli.tokens import tokens
from detection_api.cli.up import up
from detection_api.cli.verify import verify
from detection_api.errors import ConfigurationError


def _create_app() -> Flask:
    environ = read_variables()
    try:
        return create_app(environ)
    except ConfigurationError as error:
        raise NoAppException(explain(error, environ)) from error


class ApplicationGroup(AppGroup):
    """Commands of this application. An error of PostgreSQL prints one line.

    Flask's own group would build the application to list its commands, and adds commands.
    """

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Return a context that builds the application when a command needs it."""
        extra.setdefault("obj", ScriptInfo(create_app=_create_app, set_debug_flag=False))
        return super().make_context(info_name, args, parent=parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with clear_database_errors():
            return super().invoke(ctx)


class Migrations(click.Group):
    """Flask-Migrate's commands. Help is shown before their group builds the application."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is called; its `--help` prints and exits here."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            command.make_context(name, list(rest), parent=ctx).close()
        return name, command, rest


@click.group(cls=ApplicationGroup)
@click.version_option(__version__, prog_name="detection-api")
def main() -> None:
    """Detection records, violations, statistics and cameras, behind a canary.

    \b
    Example:
      detection-api rollout status
    """


main.add_command(up)
main.add_command(
    Migrations("db", commands=db.commands, params=db.params, callback=db.callback, help=db.help)
)
main.add_command(ingest)
main.add_command(data)
main.add_command(demo)
main.add_command(rollout)
main.add_command(accepted)
main.add_command(tokens)
main.add_command(verify)
