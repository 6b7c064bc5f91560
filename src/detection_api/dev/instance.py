"""The folder of one running `detection-api up`: its files, its lock and its leftovers."""

import errno
import fcntl
import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
INSTANCE = Path("instance")
"""The default folder of `up`, where commands look for a running instance."""
PUBLISHED = ("DATABASE_URL", "REDIS_URL", "EVENTS_LOG", "CAMERAS_FILE", "PORT")
"""The variables that `up` publishes for commands that run beside it."""
MARK = "DETECTION_API_INSTANCE"
LEFTOVER_PATIENCE = 5.0
"""Seconds in which the processes of a killed `up` must end, before they are killed too."""
POLL_INTERVAL = 0.1


class UpError(Exception):
    """The system cannot be started; the message is one clear line."""


@dataclass(frozen=True, slots=True)
class Instance:
    """The folder of one `up`, and the port of its API."""

    folder: Path
    port: int

    @property
    def logs(self) -> Path:
        """Return the folder of the programs' logs."""
        return self.folder / "logs"

    @property
    def pidfile(self) -> Path:
        """Return the file with the process id of gunicorn."""
        return self.folder / "gunicorn.pid"

    @property
    def environment_file(self) -> Path:
        """Return the file with the variables of a running `up`; it may hold a password."""
        return self.folder / "up.json"

    @property
    def base(self) -> str:
        """Return the URL of the API."""
        return f"http://{HOST}:{self.port}"

    @property
    def mark(self) -> str:
        """Return the variable that marks every program of this instance, as NAME=VALUE."""
        return f"{MARK}={self.folder.absolute()}"


def port_number(text: str) -> int:
    """Return `text` as a port number; raises UpError if it is invalid."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**16):
        raise UpError(f"PORT={text} is not a port number")
    return int(text)


def refuse_taken(port: int) -> None:
    """Raise UpError if `port` is in use or cannot be used."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise UpError(
                    f"port {port} is taken; choose another: PORT=8080 make run"
                ) from error
            raise UpError(f"port {port} cannot be used: {error.strerror}") from error


@contextmanager
def claimed(instance: Instance) -> Iterator[None]:
    """Lock the instance folder for this process; raises UpError if another `up` has it.

    It first ends the processes that a killed `up` left there.
    """
    try:
        instance.logs.mkdir(parents=True, exist_ok=True)
        pidfile = (instance.folder / "up.pid").open("a+")
    except OSError as error:
        raise UpError(f"{instance.folder} cannot be written to: {error.strerror}") from error
    # Children do not inherit the file, so the lock always ends with this process.
    with pidfile:
        try:
            fcntl.flock(pidfile, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UpError(f"another `up` is running in {instance.folder}") from error
        _write(pidfile.fileno(), str(os.getpid()))
        _end_leftovers(instance)
        yield
        _write(pidfile.fileno(), "")


@contextmanager
def publish_environment(instance: Instance, environ: Mapping[str, str]) -> Iterator[None]:
    """Publish the variables for other commands during the block, readable only by this user."""
    unfinished = instance.environment_file.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump({name: environ[name] for name in PUBLISHED if environ.get(name)}, stream)
    unfinished.replace(instance.environment_file)
    try:
        yield
    finally:
        instance.environment_file.unlink(missing_ok=True)


def find_running(folder: Path) -> dict[str, str]:
    """Return the variables of the `up` that runs in `folder`; empty if none runs."""
    instance = Instance(folder, 0)
    try:
        variables: dict[str, str] = json.loads(
            instance.environment_file.read_text(encoding="utf-8")
        )
        with (folder / "up.pid").open() as pidfile:
            fcntl.flock(pidfile, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return variables
    except (OSError, ValueError):
        pass
    return {}


def running_base(folder: Path) -> str | None:
    """Return the URL of the `up` that runs in `folder`; None if none runs."""
    variables = find_running(folder)
    return Instance(folder, int(variables["PORT"])).base if variables else None


def _write(descriptor: int, text: str) -> None:
    os.truncate(descriptor, 0)
    os.write(descriptor, text.encode())


def _end_leftovers(instance: Instance) -> None:
    """End every process that a killed `up` left; return when all have ended.

    Linux sends SIGTERM to the children of a killed `up`. But gunicorn answers its accepted
    requests first, and its workers are not children of `up`.
    """
    patience_ends = time.monotonic() + LEFTOVER_PATIENCE
    while leftovers := _marked(instance):
        number = signal.SIGTERM if time.monotonic() < patience_ends else signal.SIGKILL
        for process in leftovers:
            with suppress(ProcessLookupError):
                os.kill(process, number)
        time.sleep(POLL_INTERVAL)
    # Another process may have the same id, and then gunicorn would refuse to start.
    instance.pidfile.unlink(missing_ok=True)


def _marked(instance: Instance) -> list[int]:
    """Return the process ids of this instance; empty if the system has no /proc."""
    processes = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # the process has ended, or belongs to another user
            if instance.mark.encode() in environ.read_bytes().split(b"\0"):
                processes.append(int(environ.parent.name))
    return processes
