"""`detection-api ingest`: commands that carry data into PostgreSQL."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from detection_api.cli.command import clear_database_errors, read_settings
from detection_api.clock import utc_now
from detection_api.ingest import camera_statistics, cameras, events
from detection_api.ingest.cameras import CameraFileError
from detection_api.ingest.event_writer import LogBusyError
from detection_api.server.signals import stop_on_signals

FILE = click.Path(path_type=Path)


@click.group()
def ingest() -> None:
    """Carry the event log, the camera file and live statistics into PostgreSQL.

    The database is DATABASE_URL. Every command may be ended at any moment, however hard, and
    started again: it goes on where it was.
    """


@ingest.command("events")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=FILE)
@click.option("--follow", is_flag=True, help="Go on as the logs grow, until SIGTERM or Ctrl-C.")
def ingest_events(paths: tuple[Path, ...], follow: bool) -> None:
    """Carry the event log at each PATH over, each line exactly once.

    Rotation (rename or copytruncate) is followed, also when it happened in between. Lines that
    are no events are skipped and counted. With --follow all logs are followed at once, without it
    they are read one after another. A second process for the same log is refused; with --follow
    it stands by and takes over.

    \b
    Example:
      detection-api ingest events logs/events_record.jsonl --follow
    """
    if follow:
        with stop_on_signals() as stop:
            events.follow_all(read_settings().database_url, paths, stop)
    else:
        settings = read_settings()
        for path in paths:
            with _clear_errors():
                _read_to_end(settings.database_url, path)


@ingest.command("cameras")
@click.argument("path", type=FILE)
@click.option("--follow", is_flag=True, help="Again at every change, until SIGTERM or Ctrl-C.")
def ingest_cameras(path: Path, follow: bool) -> None:
    """Make the cameras in the database those of the YAML file at PATH.

    A file that cannot be read or parsed changes nothing.

    \b
    Example:
      detection-api ingest cameras config/cameras.yaml
    """
    if follow:
        with stop_on_signals() as stop:
            cameras.follow(read_settings().database_url, path, stop)
    else:
        settings = read_settings()
        with _clear_errors():
            count = cameras.sync(settings.database_url, path)
        click.echo(f"{count:,} cameras")


@ingest.command("stats")
def ingest_stats() -> None:
    """Carry the statistics that detectors publish on REDIS_URL over, until SIGTERM or Ctrl-C.

    \b
    Example:
      REDIS_URL=redis://localhost:6379 detection-api ingest stats
    """
    with stop_on_signals() as stop:
        settings = read_settings()
        if not settings.redis_url:
            raise click.ClickException("REDIS_URL is not set")
        camera_statistics.follow(settings.database_url, settings.redis_url, stop)


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Turn what may well happen into one line on standard error and exit code 1."""
    try:
        with clear_database_errors():
            yield
    except (OSError, LogBusyError, CameraFileError) as error:
        raise click.ClickException(str(error)) from error


def _read_to_end(database_url: str, path: Path) -> None:
    """Carry over all there is, with a progress bar by bytes, and print what it was."""
    totals = events.Totals()
    started = time.perf_counter()
    with events.Ingestion.open(database_url, path) as ingestion:
        if ingestion.step(utc_now()) is None:
            raise FileNotFoundError(f"{path} does not exist")
        length = ingestion.backlog()
        with click.progressbar(length=length, label=path.name, file=sys.stderr) as bar:
            while (parsed := ingestion.step(utc_now())) is not None:
                totals.add(parsed)
                bar.update(parsed.size)
    _print(totals, time.perf_counter() - started)


def _print(totals: events.Totals, seconds: float) -> None:
    rate = totals.lines / seconds
    click.echo(
        f"{totals.lines:,} lines: {totals.events:,} events, {totals.malformed:,} malformed;"
        f" {seconds:.1f} s, {rate:,.0f} lines/s"
    )
    for line in totals.shown:
        click.echo(f"  malformed at byte {line.offset:,}: {line.reason}: {line.excerpt}")
    if totals.malformed > len(totals.shown):
        click.echo(f"  ... and {totals.malformed - len(totals.shown):,} more")
