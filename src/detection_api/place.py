"""Where one `detection-api up` keeps everything, and that it has the place to itself."""

import errno
import fcntl
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class UpError(Exception):
    """The system cannot be started; the message is one clear line."""


@dataclass(frozen=True, slots=True)
class Place:
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
    def base(self) -> str:
        """The URL of the API."""
        return f"http://127.0.0.1:{self.port}"


def free_port(text: str) -> int:
    """The port to serve; raises UpError when it is none or taken."""
    try:
        port = int(text)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except (ValueError, OverflowError) as error:
        raise UpError(f"PORT={text} is not a port number") from error
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise UpError(f"port {text} cannot be used: {error.strerror}") from error
        raise UpError(f"port {text} is taken; choose another: PORT=8080 make run") from error
    return port


@contextmanager
def claimed(place: Place) -> Iterator[None]:
    """The instance folder for this process alone; raises UpError when that cannot be."""
    try:
        place.logs.mkdir(parents=True, exist_ok=True)
        lock = (place.instance / "lock").open("w")
    except OSError as error:
        raise UpError(f"{place.instance} cannot be written to: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UpError(f"another `up` is running in {place.instance}") from error
        yield
