"""`flask --app APP rollout`: the rollout's commands for any application with a canary.

It is a plugin of Flask's own command, registered in setup.cfg.
"""

from copy import copy
from typing import Any

import click
from flask.cli import with_appcontext
from psycopg2.errors import UndefinedTable

from detection_api.cli.rollout.accepted import accepted
from detection_api.cli.rollout.group import rollout as own_group
from detection_api.cli.store import StoreGroup
from detection_api.cli.tokens import tokens
from detection_api.operations import create_tables
from detection_api.rollout.extension import FLASK_GROUP, rollout_of

MISSING = f"the canary's tables are missing: `{FLASK_GROUP} init-db` creates them"


class FlaskCommands(StoreGroup):
    """Commands whose errors name them as they are called here."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except click.UsageError:
            raise
        except click.ClickException as error:
            is_new = isinstance(error.__cause__, UndefinedTable)
            raise click.ClickException(MISSING if is_new else in_flask(error.message)) from error


def in_flask(text: str) -> str:
    """Return `text` with the commands that it mentions as they are called here."""
    group = f"{FLASK_GROUP} "
    return text.replace("detection-api rollout ", group).replace("detection-api ", group)


def adapted(command: click.Command) -> click.Command:
    """Return a copy of `command` whose help names commands as they are called here."""
    made = copy(command)
    made.help = in_flask(command.help or "")
    if isinstance(made, click.Group):
        made.commands = {name: adapted(each) for name, each in made.commands.items()}
    return made


@click.command("init-db")
@with_appcontext
def init_db() -> None:
    """Create the tables that do not exist yet, in the database of the canary.

    \b
    Example:
      flask rollout init-db
    """
    create_tables(rollout_of().database_url)
    click.echo("the canary's tables exist")


@click.group(cls=FlaskCommands)
def rollout() -> None:
    """See and change which share of the requests the domain answers.

    Workers follow a change within a second.
    """


for _command in (*own_group.commands.values(), tokens, accepted):
    rollout.add_command(adapted(_command))
rollout.add_command(init_db)
