"""The one thread of a worker that exchanges with the store."""

import atexit
import threading
from collections.abc import Callable

INTERVAL = 0.5
"""Seconds between two turns; every other turn only reads the store."""
STOP_WITHIN = 3.0
"""Seconds that `stop` waits for the thread."""


class Background:
    """Calls `step` and `poll` in turn, until `stop` ends the thread and calls `finish`.

    `wake` returns the event that starts the next turn early.
    """

    def __init__(
        self,
        *,
        step: Callable[[], None],
        poll: Callable[[], object],
        finish: Callable[[], None],
        wake: Callable[[], threading.Event],
    ) -> None:
        self._step = step
        self._poll = poll
        self._finish = finish
        self._wake = wake
        self.begin()

    def begin(self) -> None:
        """Be without a thread, as a forked worker is."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        """Start the thread of this process, unless it runs."""
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                self._stopping = False
                thread = threading.Thread(target=self._run, name="canary-sync", daemon=True)
                thread.start()  # if the system has no thread left, the next request tries again
                self._thread = thread
                atexit.register(self.stop)

    def stop(self) -> None:
        """End the thread, then call `finish` in this one; a thread that hangs is left alone."""
        thread = self._thread
        if thread is None:
            return
        self._stopping = True
        self._wake().set()
        thread.join(STOP_WITHIN)
        if not thread.is_alive():
            self._thread = None
            self._finish()
        atexit.unregister(self.stop)

    def _run(self) -> None:
        is_turn_to_step = True
        while not self._stopping:
            self._step() if is_turn_to_step else self._poll()
            is_turn_to_step = not is_turn_to_step
            self._wake().wait(INTERVAL)
            self._wake().clear()
