"""Run the whole system on one machine: servers, demo factory, ingestion and the API."""

import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, redirect_stderr, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import ModuleType

import click
import msgspec

from detection_api import create_app
from detection_api.clock import utc_now
from detection_api.config import Settings, read_environ
from detection_api.db import upgrade
from detection_api.dev.demo import history
from detection_api.dev.demo.world import CAMERAS, World
from detection_api.dev.instance import (
    HOST,
    Instance,
    UpError,
    claimed,
    port_number,
    publish_environment,
    refuse_taken,
)
from detection_api.dev.supervisor import Program, Supervisor
from detection_api.ingest import cameras
from detection_api.ingest.cameras import CameraFileError
from detection_api.services import monitoring
from detection_api.telemetry import logs

READY_WITHIN = 60
"""Time limit for the first answer of gunicorn, in seconds."""
INGESTED_WITHIN = 60
STATISTICS_WITHIN = 5
"""Time limits for ingestion and live statistics, in seconds; legacy answers without them."""
CAUGHT_UP = 5
"""Ingestion has caught up when its lag is below this many seconds."""

SCREEN = """
  detection-api is running; Ctrl-C stops it.

  API      {base}/api/v1/cameras
  Docs     {base}/docs
  Console  {base}/console
  Health   {base}/api/v1/monitoring/health
  Metrics  {base}/metrics

  curl -i {base}/api/v1/statistics/daily
  curl -i '{base}/api/v1/cameras?force_domain=true'
  curl -i '{base}/api/v1/records/detection-records/cam0?limit=2'

  Demo     {demo}
  Logs     {logs}/*.log
  Reload   kill -HUP $(cat {pidfile})    after editing {env_file}
"""


def run(folder: Path) -> None:
    """Start everything in order and keep it running; stop it in reverse order at the end.

    `folder` holds data, logs and process ids. Raises UpError, BootError,
    ConfigurationError or OSError if something does not start.
    """
    with ExitStack() as stack:
        _run(folder, stack)


def _run(folder: Path, stack: ExitStack) -> None:
    if not Path("wsgi.py").exists():
        raise UpError("this is not the folder of the project: it has no wsgi.py")
    inherited = read_environ()
    instance = Instance(folder, port_number(os.environ.get("PORT") or "8000"))
    stack.enter_context(claimed(instance))
    refuse_taken(instance.port)
    stack.enter_context(_logging_to(instance.logs / "up.log"))
    environ = _start_servers(instance, inherited, stack)
    settings = Settings.from_environ(read_environ(environ))
    demo = _prepare_data(environ, settings, demo=not inherited.get("EVENTS_LOG"))
    supervisor = Supervisor(environ, instance.logs, click.echo)
    stack.callback(supervisor.stop)
    stack.callback(click.echo, "Stopping ...")
    _start_programs(supervisor, instance, settings, demo=demo)
    stack.enter_context(publish_environment(instance, environ))
    click.echo(_screen(instance, inherited.get("ENV_FILE", ".env"), demo=demo))
    supervisor.watch(until=lambda: False)


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Write the log of this process, and stderr, to `path`, to keep the screen readable."""
    with path.open("a", encoding="utf-8") as stream, redirect_stderr(stream):
        logs.configure("INFO")
        yield


def _start_servers(
    instance: Instance, inherited: Mapping[str, str], stack: ExitStack
) -> dict[str, str]:
    """Return the environment of all programs; start embedded servers if none are configured."""
    demo = (instance.folder / "demo").absolute()
    name, _, value = instance.mark.partition("=")
    environ = {
        **os.environ,
        name: value,
        "PORT": str(instance.port),
        "EVENTS_LOG": inherited.get("EVENTS_LOG") or str(demo / "logs" / "events_record.jsonl"),
        "CAMERAS_FILE": inherited.get("CAMERAS_FILE") or str(demo / "config" / "cameras.yaml"),
        "DATABASE_URL": inherited.get("DATABASE_URL", ""),
        "REDIS_URL": inherited.get("REDIS_URL", ""),
    }
    if not environ["DATABASE_URL"]:
        with _step("Starting PostgreSQL"):
            postgres = _embedded().EmbeddedPostgres(instance.folder / "postgres")
            stack.callback(postgres.stop)
            environ["DATABASE_URL"] = postgres.start()
    if not environ["REDIS_URL"]:
        with _step("Starting Valkey"):
            valkey = _embedded().EmbeddedValkey(instance.folder / "valkey")
            stack.callback(valkey.stop)
            environ["REDIS_URL"] = valkey.start()
    return environ


def _embedded() -> ModuleType:
    """Return the module of the embedded servers; an installation for production has none."""
    try:
        return importlib.import_module("detection_api.dev.embedded")
    except ImportError as error:
        raise UpError(
            "DATABASE_URL or REDIS_URL is not set, and embedded servers are not installed:"
            " pip install 'detection-api[embedded]'"
        ) from error


@contextmanager
def _step(title: str) -> Iterator[None]:
    """Show the title of a step, and its duration in seconds."""
    started = time.monotonic()
    click.echo(f"{title} ... ", nl=False)
    try:
        yield
    finally:
        click.echo(f"{time.monotonic() - started:.1f} s")


def _prepare_data(environ: Mapping[str, str], settings: Settings, *, demo: bool) -> bool:
    """Migrate the database and load the data; return True if the demo factory should run."""
    app = create_app(read_environ(environ))
    with _step("Migrating the database"):
        upgrade(app)
    if demo:
        with _step("Writing seven days of the demo factory, if they are missing"):
            demo = history.write(World(), settings, utc_now())
    with suppress(CameraFileError):  # the file's follower logs the error
        cameras.sync(settings.database_url, settings.cameras_file)
    return demo


def _start_programs(
    supervisor: Supervisor, instance: Instance, settings: Settings, *, demo: bool
) -> None:
    """Start ingestion; start the API after the data is ingested."""
    ingest = (sys.executable, "-m", "detection_api.ingest")
    log, file = str(settings.events_log), str(settings.cameras_file)
    supervisor.start(Program("ingest-events", [*ingest, "events", log, "--follow"]))
    supervisor.start(Program("ingest-cameras", [*ingest, "cameras", file, "--follow"]))
    supervisor.start(Program("ingest-stats", [*ingest, "stats"]))
    if settings.events_log.exists():
        with _step("Ingesting the event log"):
            _watch(supervisor, INGESTED_WITHIN, lambda: _is_ingested(settings))
    if demo:
        detect = (sys.executable, "-m", "detection_api.cli", "demo", "detect")
        supervisor.start(Program("detector", detect))
    gunicorn = (sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py")
    web = Program("gunicorn", [*gunicorn, "--pid", str(instance.pidfile), "wsgi:app"])
    with _step("Starting the API"):
        supervisor.boot(web, lambda: _get(instance, "/healthz") is not None, READY_WITHIN)
        if demo:
            _watch(supervisor, STATISTICS_WITHIN, lambda: _has_statistics(instance))


def _watch(supervisor: Supervisor, seconds: float, until: Callable[[], bool]) -> None:
    """Keep the programs running until `until` returns True, or `seconds` have passed."""
    deadline = time.monotonic() + seconds
    supervisor.watch(until=lambda: until() or time.monotonic() > deadline)


def _is_ingested(settings: Settings) -> bool:
    check = monitoring.health(settings, utc_now())["checks"]["ingestion"]
    return check["status"] == "ok" and float(check["lag_seconds"]) < CAUGHT_UP


def _has_statistics(instance: Instance) -> bool:
    """Return True if both arms have statistics; asks legacy 8 times, because workers differ."""
    path = f"/api/v1/cameras/{next(iter(CAMERAS))}/stats?force_domain="
    bodies = [_get(instance, path + arm) for arm in ("true", *["false"] * 8)]
    return all(body is not None and msgspec.json.decode(body)["running"] for body in bodies)


def _get(instance: Instance, path: str) -> bytes | None:
    """Return the body of the API's answer; None if it is not 200."""
    with closing(HTTPConnection(HOST, instance.port, timeout=5)) as connection:
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        except (OSError, HTTPException):
            return None
    return body if response.status == HTTPStatus.OK else None


def _screen(instance: Instance, env_file: str, *, demo: bool) -> str:
    return SCREEN.format(
        base=instance.base,
        demo="a simulated factory with the cameras " + " and ".join(CAMERAS) if demo else "off",
        logs=instance.logs,
        pidfile=instance.pidfile,
        env_file=env_file,
    )
