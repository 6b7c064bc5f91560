"""The `detection-api` command: Flask's own commands for this application, and ours."""

from typing import Any

import click
from flask import Flask
from flask.cli import FlaskGroup, NoAppException
from flask_migrate.cli import db

from detection_api import create_app
from detection_api.command import clear_database_errors, explained, read_variables
from detection_api.demo.cli import demo
from detection_api.errors import ConfigurationError
from detection_api.ingest.cli import ingest
from detection_api.retention import data
from detection_api.rollout.accepted import accepted
from detection_api.rollout.cli import rollout
from detection_api.rollout.tokens import tokens
from detection_api.up import up
from detection_api.verify import verify


def _create_app() -> Flask:
    environ = read_variables()
    try:
        return create_app(environ)
    except ConfigurationError as error:
        raise NoAppException(explained(error, environ)) from error


class Commands(FlaskGroup):
    """Flask's group for this one application, with PostgreSQL's errors as one clear line."""

    def __init__(self, **extra: Any) -> None:
        super().__init__(create_app=_create_app, load_dotenv=False, **extra)
        # The application is this one, and it reads its env file itself.
        self.params = [p for p in self.params if p.name not in ("app", "env_file")]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with clear_database_errors():
            return super().invoke(ctx)


@click.group(cls=Commands)
def main() -> None:
    """Detection records, violations, statistics and cameras, behind a canary."""


main.add_command(up)
main.add_command(db)
main.add_command(ingest)
main.add_command(data)
main.add_command(demo)
main.add_command(rollout)
main.add_command(accepted)
main.add_command(tokens)
main.add_command(verify)
