"""`detection-api up`: run the whole system on this machine."""

from pathlib import Path

import click

from detection_api.cli.environment import clear_database_errors
from detection_api.dev.instance import INSTANCE, UpError
from detection_api.dev.supervisor import BootError
from detection_api.dev.up import run
from detection_api.errors import ConfigurationError
from detection_api.server.signals import interrupt_on_signals


@click.command()
@click.option(
    "--instance",
    type=click.Path(path_type=Path),
    default=INSTANCE,
    show_default=True,
    help="Folder for data, logs and process ids.",
)
def up(instance: Path) -> None:
    """Run everything on this machine: servers, demo factory, ingestion and the API.

    Starts an embedded PostgreSQL if DATABASE_URL is not set, and an embedded Valkey if REDIS_URL
    is not set. Runs the demo factory unless EVENTS_LOG names a log, or the database has data that
    the demo did not write. Passes all variables on.

    \b
    Example:
      PORT=8080 ROLLOUT_PERCENT=25 detection-api up
    """
    try:
        interrupt_on_signals()
        with clear_database_errors():
            run(instance)
    except (UpError, BootError, ConfigurationError, OSError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("Stopped.")
