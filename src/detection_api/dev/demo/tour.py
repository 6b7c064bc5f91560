"""A rollout from 0 to 100% at the demo factory, by the commands that an operator types."""

import shlex
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from detection_api.dev.instance import INSTANCE, running_base
from detection_api.server.signals import INTERRUPTED, stop_on_signals

COMMAND = "detection-api"
LOOK_INTERVAL = 0.2
REASON = ("--reason", "a tour of the demo")
ACCEPTED = (
    ("statistics.daily", "$:empty", "branch", "a day is always asked for"),
    ("cameras.cameras", "$.cameras:empty", "branch", "there are always cameras"),
    ("cameras.cameras", "$", "latency", "legacy answers from memory"),
    ("cameras.camera_stats", "$", "latency", "legacy answers from memory"),
)
"""What the demo's data never shows, and what is meant to be."""
STAGES = ("--stages", "10,25,50,100", "--bake", "15s", "--min-requests", "112")
"""Fewer requests pass no stage: so many good ones the guard wants before it permits to advance."""
REPORT = "report.html"


@click.command("rollout")
def tour() -> None:
    """Take the `make run` in this folder from 0 to 100%, with traffic, in a few minutes.

    Every command is shown as an operator types it. A run that is unfinished is ended first.

    \b
    Example:
      detection-api demo rollout
    """
    with stop_on_signals() as stop:
        if running_base(INSTANCE) is None:
            raise click.ClickException("no `make run` runs in this folder: start one first")
        if stop.is_set():
            sys.exit(INTERRUPTED)
        _prepare(stop)
        run = (COMMAND, "rollout", "run", *STAGES, *REASON)
        code = _type(stop, "demo", "traffic", "--rate", "200", "--", *run)
        if not stop.is_set():
            _report(stop)
    sys.exit(code)


def _prepare(stop: threading.Event) -> None:
    """Have nothing left of an earlier tour, and accept what the demo's data never shows."""
    _ask("rollout", "abandon", *REASON)
    _type(stop, "rollout", "rollback", "--to", "0", *REASON)
    found = msgspec.json.decode(_ask("accepted", "list", "--json"))
    known = {(one["endpoint"], one["path"], one["kind"]) for one in found}
    for *what, why in ACCEPTED:
        if tuple(what) not in known:
            _type(stop, "accepted", "add", *what, "--reason", why, "--expires", "90d")


def _report(stop: threading.Event) -> None:
    report = INSTANCE / REPORT
    if _type(stop, "rollout", "report", "--format", "html", "--output", str(report)) == 0:
        click.echo(f"\nThe report: {report.absolute().as_uri()}")


def run_to_end(command: Sequence[str], stop: threading.Event) -> int:
    """Run a command and return its exit code; end it when `stop` is set."""
    if stop.is_set():
        return INTERRUPTED
    try:
        process = subprocess.Popen(command)  # noqa: S603 - what the operator has typed
    except OSError as error:
        raise click.ClickException(f"{command[0]}: {error.strerror}") from error
    while process.poll() is None:
        if stop.wait(LOOK_INTERVAL):
            process.terminate()
            process.wait()
    return process.returncode


def _type(stop: threading.Event, *arguments: str) -> int:
    """Show a command, and run it; its exit code."""
    click.secho(f"\n$ {shlex.join((COMMAND, *arguments))}", bold=True)
    installed = [_installed() if word == COMMAND else word for word in (COMMAND, *arguments)]
    return run_to_end(installed, stop)


def _ask(*arguments: str) -> str:
    """What a command says on standard output, whatever comes of it."""
    command = [_installed(), *arguments]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    return ended.stdout


def _installed() -> str:
    """The command of this installation, be it on the PATH or not."""
    return str(Path(sys.executable).with_name(COMMAND))
