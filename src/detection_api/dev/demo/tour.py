"""A tour: a rollout from 0 to 100% at the demo factory, with the commands of an operator."""

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
POLL_INTERVAL = 0.2
REASON = ("--reason", "a tour of the demo")
ACCEPTED = (
    ("statistics.daily", "$:empty", "branch", "every answer has at least one day"),
    ("cameras.cameras", "$.cameras:empty", "branch", "there are always cameras"),
    ("cameras.cameras", "$", "latency", "legacy answers from memory"),
    ("cameras.camera_stats", "$", "latency", "legacy answers from memory"),
)
"""Branches that the demo's data never shows, and intended differences in latency."""
STAGES = ("--stages", "10,25,50,100", "--bake", "15s", "--min-requests", "112", "--max-wrong", "10")
"""The guard needs 112 good requests before it permits to advance. A tour takes minutes, so it rules
out 10% of wrong answers only, with 29 comparisons; the default of 1% needs 299."""
REPORT = "report.html"


@click.command("rollout")
def tour() -> None:
    """Take the `make run` in this folder from 0 to 100%, with traffic, in a few minutes.

    It shows every command as an operator types it. It ends an unfinished run first.

    \b
    Example:
      detection-api demo rollout
    """
    with stop_on_signals() as stop:
        if running_base(INSTANCE) is None:
            raise click.ClickException("no `make run` is running in this folder: start one first")
        if stop.is_set():
            sys.exit(INTERRUPTED)
        _prepare(stop)
        run = (COMMAND, "rollout", "run", *STAGES, *REASON)
        code = _run_shown(stop, "demo", "traffic", "--rate", "200", "--", *run)
        if not stop.is_set():
            _report(stop)
    sys.exit(code)


def _prepare(stop: threading.Event) -> None:
    """End an earlier tour, and add the accepted differences that are missing."""
    _output_of("rollout", "abandon", *REASON)
    _run_shown(stop, "rollout", "rollback", "--to", "0", *REASON)
    entries = msgspec.json.decode(_output_of("accepted", "list", "--json"))
    accepted = {(entry["endpoint"], entry["path"], entry["kind"]) for entry in entries}
    for *difference, reason in ACCEPTED:
        if tuple(difference) not in accepted:
            _run_shown(stop, "accepted", "add", *difference, "--reason", reason, "--expires", "90d")


def _report(stop: threading.Event) -> None:
    report = INSTANCE / REPORT
    if _run_shown(stop, "rollout", "report", "--format", "html", "--output", str(report)) == 0:
        click.echo(f"\nThe report: {report.absolute().as_uri()}")


def run_to_end(command: Sequence[str], stop: threading.Event) -> int:
    """Run a command and return its exit code; end it when `stop` is set."""
    if stop.is_set():
        return INTERRUPTED
    try:
        process = subprocess.Popen(command)  # noqa: S603 - a command of the operator
    except OSError as error:
        raise click.ClickException(f"{command[0]}: {error.strerror}") from error
    while process.poll() is None:
        if stop.wait(POLL_INTERVAL):
            process.terminate()
            process.wait()
    return process.returncode


def _run_shown(stop: threading.Event, *arguments: str) -> int:
    """Show a command, run it, and return its exit code."""
    click.secho(f"\n$ {shlex.join((COMMAND, *arguments))}", bold=True)
    installed = [_installed() if word == COMMAND else word for word in (COMMAND, *arguments)]
    return run_to_end(installed, stop)


def _output_of(*arguments: str) -> str:
    """Run a command and return its standard output, even if it fails."""
    command = [_installed(), *arguments]
    result = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    return result.stdout


def _installed() -> str:
    """Return the path of the command in this installation, which may not be on the PATH."""
    return str(Path(sys.executable).with_name(COMMAND))
