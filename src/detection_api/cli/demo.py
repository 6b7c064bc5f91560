"""`detection-api demo`: simulate a factory to try the API on."""

import math
import sys
import threading
import time
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

import click

from detection_api.cli.environment import clear_database_errors, read_settings
from detection_api.clock import utc_now
from detection_api.config import Settings
from detection_api.dev.demo import detector, history
from detection_api.dev.demo.tour import run_to_end, tour
from detection_api.dev.demo.world import DEFAULT_SEED, World
from detection_api.dev.instance import INSTANCE, running_base
from detection_api.server.signals import exit_on_signals, stop_on_signals
from detection_api.web.client import Client, UnreachableError, read_url

if TYPE_CHECKING:
    from detection_api.dev.demo.traffic import Traffic

REPORT_INTERVAL = 5.0
"""Seconds between two lines about the traffic."""

SEED = click.option(
    "--seed",
    default=DEFAULT_SEED,
    show_default=True,
    help="Number of the factory; each number simulates another one.",
)


@click.group()
def demo() -> None:
    """Simulate a factory with two cameras: its last seven days, and the present.

    Writes as real detectors do: lines to EVENTS_LOG, rows to DATABASE_URL, messages to REDIS_URL.
    Refuses to write if there is data that the demo did not write. `detection-api up` does all
    of it.

    \b
    Example:
      detection-api demo traffic --rate 20
    """


@demo.command("history")
@SEED
def write_history(seed: int) -> None:
    """Write the last seven days, unless they are already there.

    \b
    Example:
      detection-api demo history --seed 7
    """
    _write_history(World(seed), read_settings())


@demo.command("detect")
@SEED
def detect(seed: int) -> None:
    """Write the present until SIGTERM or Ctrl-C, after the history if it is missing.

    \b
    Example:
      detection-api demo detect --seed 7
    """
    with stop_on_signals() as stop:
        world, settings = World(seed), read_settings()
        with exit_on_signals():
            if not stop.is_set():
                _write_history(world, settings)
        detector.detect(world, settings, stop)


def _url(_: click.Context, __: click.Parameter, value: str | None) -> str:
    base = value or running_base(INSTANCE)
    if base is None:
        raise click.UsageError(
            "no `make run` is running in this folder: name an instance with --url"
        )
    try:
        return read_url(base).geturl()
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@demo.command("traffic", context_settings={"ignore_unknown_options": True})
@click.option(
    "--url", callback=_url, help="The instance.  [default: the `make run` in this folder]"
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    default=100,
    show_default=True,
    help="Requests a second.",
)
@click.option(
    "--clients",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Requests at the same time.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=math.inf,
    help="Duration.  [default: until Ctrl-C]",
)
@SEED
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def send_traffic(
    url: str,
    rate: float,
    clients: int,
    seconds: float,
    seed: int,
    command: Sequence[str],
) -> None:
    """Send requests to all endpoints as the factory's clients do, RATE a second.

    At most CLIENTS requests are in flight. With COMMAND, sends requests while the command runs,
    and exits with its exit code.

    \b
    Examples:
      detection-api demo traffic --rate 20
      detection-api demo traffic -- detection-api rollout run --bake 1m
    """
    with stop_on_signals() as stop:
        client = Client(url)
        try:
            client.get("/healthz")
        except UnreachableError as error:
            raise click.ClickException(f"{url}: {error}") from error
        # Only this command needs the application's routes: the others start without them.
        from detection_api.app import routing  # noqa: PLC0415
        from detection_api.dev.demo.clients import asks  # noqa: PLC0415
        from detection_api.dev.demo.traffic import Traffic  # noqa: PLC0415

        requests = asks(routing(), Random(seed), utc_now)  # noqa: S311 - no secret
        traffic = Traffic(client, requests, rate, clients)
        with traffic.flowing():
            code = run_to_end(command, stop) if command else _report(traffic, stop, seconds)
    click.echo(f"traffic: {traffic.tally}", err=bool(command))
    sys.exit(code)


def _report(traffic: "Traffic", stop: threading.Event, seconds: float) -> int:
    """Print the counts every REPORT_INTERVAL until the traffic ends; return the exit code."""
    started = time.monotonic()
    while (left := started + seconds - time.monotonic()) > 0:
        if stop.wait(min(REPORT_INTERVAL, left)):
            break
        click.echo(f"{time.monotonic() - started:4.0f} s: {traffic.tally}")
    return 0


def _write_history(world: World, settings: Settings) -> None:
    try:
        with clear_database_errors():
            simulated = history.write(world, settings, utc_now())
    except OSError as error:
        raise click.ClickException(str(error)) from error
    if not simulated:
        raise click.ClickException(
            "the database or the event log has data that the demo did not write"
        )


demo.add_command(tour)
