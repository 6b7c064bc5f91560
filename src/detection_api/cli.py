"""The `detection-api` command: Flask's own commands for this application, and ours."""

import click
from flask import Flask
from flask.cli import FlaskGroup, NoAppException

from detection_api import create_app
from detection_api.demo.cli import demo
from detection_api.errors import ConfigurationError
from detection_api.ingest.cli import ingest
from detection_api.up import up


def _create_app() -> Flask:
    try:
        return create_app()
    except ConfigurationError as error:
        raise NoAppException(str(error)) from error


@click.group(cls=FlaskGroup, create_app=_create_app, load_dotenv=False)
def main() -> None:
    """Detection records, violations, statistics and cameras, behind a canary."""


main.add_command(up)
main.add_command(ingest)
main.add_command(demo)
