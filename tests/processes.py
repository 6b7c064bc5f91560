"""Start processes that get their signals however early they are sent."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def signals_held() -> Iterator[None]:
    """Have processes that start inside of the block keep SIGTERM and SIGINT until they take them.

    Without it a signal ends a process by itself in the moments before Python runs our code.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
