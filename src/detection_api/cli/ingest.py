"""`detection-api ingest`: copy events, cameras and live statistics to PostgreSQL."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from detection_api.cli.environment import clear_database_errors, read_settings
from detection_api.clock import utc_now
from detection_api.ingest import cameras, events
from detection_api.ingest.cameras import CameraFileError
from detection_api.ingest.event_writer import LogBusyError
from detection_api.server.signals import stop_on_signals

FILE = click.Path(path_type=Path)


@click.group()
def ingest() -> None:
    """Copy the event log, the camera file and live statistics to PostgreSQL.

    The database is DATABASE_URL. You may stop or kill every command at any moment; when started
    again, it continues where it was.

    \b
    Example:
      detection-api ingest events logs/events_record.jsonl --follow
    """


@ingest.command("events")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=FILE)
@click.option("--follow", is_flag=True, help="Continue as the logs grow, until SIGTERM or Ctrl-C.")
def ingest_events(paths: tuple[Path, ...], follow: bool) -> None:
    """Copy the events of each log PATH, each line exactly once.

    Follows rotation (rename or copytruncate), also if it happened while the command did not run.
    Skips and counts lines that are not events. With --follow, reads all logs at the same time, else
    one after another. Only one process may read a log: a second one fails, or with --follow waits
    and takes over when the first one ends.

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
@click.option("--follow", is_flag=True, help="Repeat at every change, until SIGTERM or Ctrl-C.")
def ingest_cameras(path: Path, follow: bool) -> None:
    """Replace the cameras in the database by those of the YAML file at PATH.

    Changes nothing if the file cannot be read or parsed.

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
    """Copy the statistics that detectors publish on REDIS_URL, until SIGTERM or Ctrl-C.

    \b
    Example:
      REDIS_URL=redis://localhost:6379 detection-api ingest stats
    """
    with stop_on_signals() as stop:
        from detection_api.ingest import camera_statistics  # noqa: PLC0415 - Redis takes long

        settings = read_settings()
        if not settings.redis_url:
            raise click.ClickException("REDIS_URL is not set")
        camera_statistics.follow(settings.database_url, settings.redis_url, stop)


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Turn an expected error into one line on standard error and exit code 1."""
    try:
        with clear_database_errors():
            yield
    except (OSError, LogBusyError, CameraFileError) as error:
        raise click.ClickException(str(error)) from error


def _read_to_end(database_url: str, path: Path) -> None:
    """Copy everything in the log, with a progress bar by bytes, and print the totals."""
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
