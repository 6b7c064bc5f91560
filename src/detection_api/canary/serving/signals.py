"""Tells a signal that ends the process from an implementation that raises the same exception."""

import signal
import threading
from collections.abc import Iterator
from types import CodeType
from typing import Any


def is_from_signal(error: BaseException) -> bool:
    """Return whether the handler of a signal raised `error`, as gunicorn's do with SystemExit.

    Handlers run in the main thread only, and are in the error's traceback.
    """
    if isinstance(error, Exception) or threading.current_thread() is not threading.main_thread():
        return False
    handlers = set(_handlers())
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code in handlers:
            return True
        traceback = traceback.tb_next
    return False


def _handlers() -> Iterator[CodeType]:
    """Yield the code of each signal handler that is written in Python."""
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        code = getattr(getattr(handler, "__func__", handler), "__code__", None)
        if code is not None:
            yield code
