"""Keeps a few programs running beside each other, for `detection-api up`."""

import ctypes
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FIRST_DELAY = 1.0
"""Seconds before a program that ended is started again; doubled with each time in a row."""
LONGEST_DELAY = 30.0
STEADY_AFTER = 60.0
"""Seconds after which a program counts as running well."""
PATIENCE = 15.0
"""Seconds that a program has to end when it is asked to, before it is killed."""
LOOK_INTERVAL = 0.2

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Program:
    """A program to keep running; its output goes to `<name>.log`."""

    name: str
    command: Sequence[str]


class Child:
    """One run of a program after another."""

    def __init__(self, program: Program, environ: Mapping[str, str], log: Path) -> None:
        self.program = program
        self.log = log
        self._environ = environ
        self._delay = FIRST_DELAY
        self._restart_at: float | None = None
        self.start()

    def start(self) -> None:
        """Run the program, in a session of its own: Ctrl-C is for its supervisor alone."""
        self._started = time.monotonic()
        self._restart_at = None
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own commands
                self.program.command,
                env=dict(self._environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - no thread has been started yet
            )

    def look(self, now: float, say: Callable[[str], None]) -> None:
        """Restart the program when it has ended and its delay is over; say so once."""
        if self.process.poll() is None:
            return
        if self._restart_at is None:
            steady = now - self._started > STEADY_AFTER
            self._delay = FIRST_DELAY if steady else self._delay
            self._restart_at = now + self._delay
            say(
                f"{self.program.name} ended with exit code {self.process.returncode};"
                f" it is started again in {self._delay:.0f} s (its log: {self.log})"
            )
            self._delay = min(2 * self._delay, LONGEST_DELAY)
        elif now >= self._restart_at:
            self.start()

    def stop(self) -> None:
        """Ask the program to end, and kill it when it does not."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Supervisor:
    """Starts programs, restarts those that end, and stops them in the order given."""

    def __init__(self, environ: Mapping[str, str], logs: Path, say: Callable[[str], None]) -> None:
        self._environ = environ
        self._logs = logs
        self._say = say
        self._children: list[Child] = []

    def start(self, program: Program) -> Child:
        """Start `program`; raises OSError where it cannot be run."""
        child = Child(program, self._environ, self._logs / f"{program.name}.log")
        self._children.append(child)
        return child

    def watch(self, stop: threading.Event) -> None:
        """Keep the programs running until `stop` is set."""
        while not stop.wait(LOOK_INTERVAL):
            for child in self._children:
                child.look(time.monotonic(), self._say)

    def stop(self) -> None:
        """End every program, the first one first."""
        for child in self._children:
            child.stop()
        self._children.clear()


def _end_with_parent() -> None:
    """Have the kernel end this child when its supervisor is killed and can end nobody."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
