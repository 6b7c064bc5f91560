"""Ways in which a call of a domain ends its process, or never ends."""

import os
import random
import signal
import time
from collections.abc import Callable

from flask import has_request_context


def _exit_one_time_in_five() -> None:
    if random.random() < 0.2:
        os._exit(1)


def _exit_outside_of_requests() -> None:
    if not has_request_context():
        os._exit(1)


def _raise(error: BaseException) -> None:
    raise error


FAULTS: dict[str, Callable[[], object]] = {
    "ends its process": lambda: os._exit(1),
    "ends its process one time in five": _exit_one_time_in_five,
    "is killed as for want of memory": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "aborts as a faulty library does": os.abort,
    "raises SystemExit under gunicorn": lambda: _raise(SystemExit(1)),
    "raises KeyboardInterrupt under gunicorn": lambda: _raise(KeyboardInterrupt()),
    "ends its process in comparisons": _exit_outside_of_requests,
    "sleeps for half a minute": lambda: time.sleep(30),
}
