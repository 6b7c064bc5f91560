"""`detection-api db`: Flask-Migrate's commands."""

import click
from flask_migrate.cli import db as commands


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


db = Migrations(
    "db",
    commands=commands.commands,
    params=commands.params,
    callback=commands.callback,
    help=commands.help,
)
