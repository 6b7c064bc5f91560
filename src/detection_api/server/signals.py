"""How long-running commands end when they are asked to, from their first moment on.

`hold_signals` runs before the slow imports. The command then takes the signals over with one of the
other functions, which also handle a signal that arrived in between.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `kill`, and a terminal that was closed."""
INTERRUPTED = 130
"""The exit code of a command that was stopped before it had a result of its own."""
_GRACEFUL = (signal.SIGINT, signal.SIGTERM)


def hold_signals() -> None:
    """Keep SIGTERM and SIGINT pending until the command takes them over."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _GRACEFUL)


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set; a second signal ends the process at once.

    SIGHUP ends the process at once: that loses no more than `kill -9` does.
    """
    stop = threading.Event()

    def request(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        # The interrupted code may hold the event's lock, so another thread has to take it.
        threading.Thread(target=stop.set).start()

    with _handled_by(request):
        if signal.sigpending() & {*_GRACEFUL}:
            stop.set()  # at once, and not when the thread gets to it
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _GRACEFUL)
        yield stop


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Have SIGTERM and SIGINT end the process with exit code 0, for work that may be cut short.

    For inside of `stop_on_signals`, while the command prepares what it will do until it is stopped.
    """
    with _handled_by(_exit):
        yield


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in _GRACEFUL}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _exit(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def interrupt_on_signals() -> None:
    """Have the first of STOP_SIGNALS raise KeyboardInterrupt, and ignore all further ones.

    For a command that stops other programs at its end: that takes seconds and must not be cut
    short. A SIGHUP that is ignored already, as under `nohup`, stays ignored. Raises
    KeyboardInterrupt itself if a signal arrived earlier.
    """
    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _GRACEFUL)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
