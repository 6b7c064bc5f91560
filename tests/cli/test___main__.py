"""Long-running commands end cleanly from their first moment on; the others end by the signal."""

import inspect
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import click
import pytest

from detection_api.cli.__main__ import LONG_RUNNING, hold_signals_if_long_running
from detection_api.cli.main import main
from detection_api.dev.instance import INSTANCE, Instance, claimed, publish_environment
from detection_api.server.signals import INTERRUPTED
from tests.ingest.support import Command
from tests.processes import signals_held

COMMANDS = (
    (("up",), 0),
    (("ingest", "events", "log", "--follow"), 0),
    (("ingest", "cameras", "cameras.yaml", "--follow"), 0),
    (("ingest", "stats"), 0),
    (("demo", "detect"), 0),
    (("demo", "rollout"), INTERRUPTED),
    (("demo", "traffic"), 0),
    (("rollout", "run"), INTERRUPTED),
)
"""Each long-running command, and its exit code when it is stopped before it has done anything."""


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


@contextmanager
def _an_instance(folder: Path) -> Iterator[None]:
    """What commands take for an `up` that runs in `folder`, as far as they look at it at once."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Healthy) as server:
        Thread(target=server.serve_forever).start()
        instance = Instance(folder / INSTANCE, server.server_port)
        with claimed(instance), publish_environment(instance, {"PORT": str(instance.port)}):
            yield
        server.shutdown()


def _leaves(command: click.Command, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _leaves(child, *words, name)
    else:
        yield words, command


def _takes_signals_over(command: click.Command) -> bool:
    callback = inspect.unwrap(command.callback) if command.callback else None
    names = callback.__code__.co_names if callback else ()
    return "stop_on_signals" in names or "interrupt_on_signals" in names


@pytest.mark.parametrize(("words", "code"), COMMANDS, ids=[" ".join(w) for w, _ in COMMANDS])
def test_a_long_running_command_that_is_stopped_at_once_ends_cleanly(
    database: str, tmp_path: Path, words: Sequence[str], code: int
) -> None:
    environ = {
        "ENV_FILE": "none",
        "DATABASE_URL": database,
        "REDIS_URL": "redis://localhost:1",
        "EVENTS_LOG": "log",
        "PATH": os.environ["PATH"],
    }
    with _an_instance(tmp_path):
        with signals_held():
            process = subprocess.Popen(
                [sys.executable, "-m", "detection_api.cli", *words],
                cwd=tmp_path,
                env=environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in errors) == (code, False), errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
@pytest.mark.parametrize("seconds", [0, 0.1, 0.4])
def test_a_follower_ends_cleanly_at_whatever_moment_of_its_start(
    database: str, tmp_path: Path, seconds: float, number: int
) -> None:
    with Command("events", tmp_path / "log", "--follow", DATABASE_URL=database) as follower:
        time.sleep(seconds)
        code, errors = follower.terminate(number)
    assert (code, "Traceback" in errors) == (0, False), errors


def test_every_command_that_takes_signals_over_holds_them_from_the_start() -> None:
    taking = {words for words, command in _leaves(main) if _takes_signals_over(command)}
    following = {("ingest", "events"), ("ingest", "cameras")}
    assert taking == {*LONG_RUNNING, *following}
    assert {words[:2] if words != ("up",) else words for words, _ in COMMANDS} == taking


def test_other_commands_end_by_the_signal() -> None:
    hold_signals_if_long_running(["rollout", "rollback", "--reason", "run"])
    hold_signals_if_long_running(["ingest", "events", "log"])
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
