"""`detection-api demo`: a factory to try the API on."""

import click

from detection_api.clock import utc_now
from detection_api.command import clear_database_errors, read_settings
from detection_api.config import Settings
from detection_api.demo import detector, history
from detection_api.demo.world import DEFAULT_SEED, World
from detection_api.signals import stop_on_signals

SEED = click.option("--seed", default=DEFAULT_SEED, show_default=True, help="Which factory it is.")


@click.group()
def demo() -> None:
    """Simulate a factory with two cameras: its last seven days, and what happens now.

    Written as real detectors do: lines to EVENTS_LOG, rows to DATABASE_URL, messages to
    REDIS_URL. Never beside data that something else wrote. `detection-api up` does all of it.
    """


@demo.command("history")
@SEED
def write_history(seed: int) -> None:
    """Write the last seven days, where there is nothing yet.

    \b
    Example:
      detection-api demo history --seed 7
    """
    _write_history(World(seed), read_settings())


@demo.command("detect")
@SEED
def detect(seed: int) -> None:
    """Go on from now, until SIGTERM or Ctrl-C; the history first where there is none.

    \b
    Example:
      detection-api demo detect --seed 7
    """
    world, settings = World(seed), read_settings()
    _write_history(world, settings)
    with stop_on_signals() as stop:
        detector.detect(world, settings, stop)


def _write_history(world: World, settings: Settings) -> None:
    try:
        with clear_database_errors():
            simulated = history.write(world, settings, utc_now())
    except OSError as error:
        raise click.ClickException(str(error)) from error
    if not simulated:
        raise click.ClickException("the database or the event log holds data of somebody else")
