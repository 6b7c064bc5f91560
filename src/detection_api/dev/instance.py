"""Where one `detection-api up` keeps everything, and that it has the place to itself."""

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
"""Where `up` keeps everything unless told otherwise, and where commands look for one that runs."""
LEFT = ("DATABASE_URL", "REDIS_URL", "EVENTS_LOG", "CAMERAS_FILE", "PORT")
"""The variables that `up` leaves for the commands beside it."""
MARK = "DETECTION_API_INSTANCE"
LEFTOVER_PATIENCE = 5.0
"""Seconds that processes of a killed `up` have to end."""
LOOK_INTERVAL = 0.1


class UpError(Exception):
    """The system cannot be started; the message is one clear line."""


@dataclass(frozen=True, slots=True)
class Instance:
    """Where one `up` keeps everything, and the port that it serves."""

    instance: Path
    port: int

    @property
    def logs(self) -> Path:
        """The folder of the programs' logs."""
        return self.instance / "logs"

    @property
    def pidfile(self) -> Path:
        """Where gunicorn leaves its process id, for a HUP."""
        return self.instance / "gunicorn.pid"

    @property
    def left(self) -> Path:
        """What commands beside this `up` need to know, while it runs; may hold a password."""
        return self.instance / "up.json"

    @property
    def base(self) -> str:
        """The URL of the API."""
        return f"http://{HOST}:{self.port}"

    @property
    def mark(self) -> str:
        """What is in the environment of every program that is run here, and of no other."""
        return f"{MARK}={self.instance.absolute()}"


def port_number(text: str) -> int:
    """The port that `text` is; raises UpError when it is none."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**16):
        raise UpError(f"PORT={text} is not a port number")
    return int(text)


def refuse_taken(port: int) -> None:
    """Raise UpError unless `port` can be served."""
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
def claimed(place: Instance) -> Iterator[None]:
    """The instance folder for this process alone; raises UpError when that cannot be.

    Processes that an earlier `up` left there are ended.
    """
    try:
        place.logs.mkdir(parents=True, exist_ok=True)
        pidfile = (place.instance / "up.pid").open("a+")
    except OSError as error:
        raise UpError(f"{place.instance} cannot be written to: {error.strerror}") from error
    # The lock ends with this process, however it ends: its children do not inherit the file.
    with pidfile:
        try:
            fcntl.flock(pidfile, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UpError(f"another `up` is running in {place.instance}") from error
        _write(pidfile.fileno(), str(os.getpid()))
        _end_leftovers(place)
        yield
        _write(pidfile.fileno(), "")


@contextmanager
def left_for_commands(place: Instance, environ: Mapping[str, str]) -> Iterator[None]:
    """With what commands beside this `up` need, for its own user alone to read."""
    unfinished = place.left.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump({name: environ[name] for name in LEFT if environ.get(name)}, stream)
    unfinished.replace(place.left)
    try:
        yield
    finally:
        place.left.unlink(missing_ok=True)


def find_running(instance: Path) -> dict[str, str]:
    """What the `up` that runs in `instance` has left; nothing where none does."""
    place = Instance(instance, 0)
    try:
        left: dict[str, str] = json.loads(place.left.read_text(encoding="utf-8"))
        with (instance / "up.pid").open() as pidfile:
            fcntl.flock(pidfile, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return left
    except (OSError, ValueError):
        pass
    return {}


def running_base(instance: Path) -> str | None:
    """The URL of the `up` that runs in `instance`; None where none does."""
    left = find_running(instance)
    return Instance(instance, int(left["PORT"])).base if left else None


def _write(descriptor: int, text: str) -> None:
    os.truncate(descriptor, 0)
    os.write(descriptor, text.encode())


def _end_leftovers(place: Instance) -> None:
    """Return once no process of an `up` that was killed with -9 is left.

    Linux has asked its children to end when it was, but gunicorn answers first what it has
    accepted, and its workers are nobody's children then.
    """
    patience_ends = time.monotonic() + LEFTOVER_PATIENCE
    while leftovers := _marked(place):
        number = signal.SIGTERM if time.monotonic() < patience_ends else signal.SIGKILL
        for process in leftovers:
            with suppress(ProcessLookupError):
                os.kill(process, number)
        time.sleep(LOOK_INTERVAL)
    # Its number may be another process's by now, and gunicorn would take that for itself.
    place.pidfile.unlink(missing_ok=True)


def _marked(place: Instance) -> list[int]:
    """The processes of this instance; none where the system does not show environments so."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended meanwhile, or is another user's
            if place.mark.encode() in environ.read_bytes().split(b"\0"):
                found.append(int(environ.parent.name))
    return found
