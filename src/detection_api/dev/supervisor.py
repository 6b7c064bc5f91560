"""Keep several programs running, for `detection-api up`."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

FIRST_DELAY = 0.5
"""Seconds before an ended program is started again; doubles with each failure in a row."""
LONGEST_DELAY = 30.0
STEADY_AFTER = 60.0
"""Seconds after which a program counts as running well."""
PATIENCE = 10.0
"""Seconds in which a program must end after SIGTERM, before it is killed."""
POLL_INTERVAL = 0.1
SHOWN = 12
"""Number of log lines that are shown if a program ends again."""

_PR_SET_PDEATHSIG = 1


class BootError(Exception):
    """A program did not become ready; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program to keep running; its output goes to `<name>.log`."""

    name: str
    command: Sequence[str]


class Child:
    """The process of a program, restarted when it ends; times are monotonic, in seconds."""

    def __init__(self, program: Program, environ: Mapping[str, str], log_file: Path) -> None:
        self.program = program
        self.log_file = log_file
        self.failures = 0
        """Number of unexpected ends in a row."""
        self.restart_at: float | None = None
        """The time of the next start; None while the program runs."""
        self._environ = environ
        self.start(time.monotonic())

    def start(self, now: float) -> None:
        """Start the program in its own session, so Ctrl-C reaches only the supervisor."""
        self._started = now
        self.restart_at = None
        with self.log_file.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own commands
                self.program.command,
                env=dict(self._environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - the supervisor has no threads
            )
        log.info("program_started", program=self.program.name, pid=self.process.pid)

    def end(self) -> str | None:
        """Return how the program ended, such as "exit code 3" or "SIGKILL"; None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def failed(self, now: float) -> float:
        """Count an unexpected end; return the seconds until the next start."""
        self._kill_the_rest()
        if now - self._started > STEADY_AFTER:
            self.failures = 0
        delay = min(FIRST_DELAY * 2**self.failures, LONGEST_DELAY)
        self.failures += 1
        self.restart_at = now + delay
        return float(delay)

    def stop(self) -> None:
        """End the program with SIGTERM, and kill it after PATIENCE seconds."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            log.warning("program_killed", program=self.program.name, patience=PATIENCE)
        self._kill_the_rest()
        self.process.wait()

    def last_lines(self) -> str:
        """Return the last lines of the log."""
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-SHOWN:])

    def _kill_the_rest(self) -> None:
        """Kill the rest of its session, because gunicorn's workers would keep the port."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


class Supervisor:
    """Starts programs, restarts those that end, and stops them, the last one first.

    `notify` shows a line to the operator when a program ends, and when it fails again. Further
    failures are only logged.
    """

    def __init__(
        self, environ: Mapping[str, str], logs: Path, notify: Callable[[str], None]
    ) -> None:
        self._environ = environ
        self._logs = logs
        self._notify = notify
        self._children: list[Child] = []

    def start(self, program: Program) -> Child:
        """Start `program` and keep it running; raises OSError if it cannot be run."""
        child = Child(program, self._environ, self._logs / f"{program.name}.log")
        self._children.append(child)
        return child

    def boot(self, program: Program, is_ready: Callable[[], bool], seconds: float) -> None:
        """Start `program` and wait until it is ready; raises BootError if it ends or is late."""
        child = self.start(program)
        deadline = time.monotonic() + seconds
        while not is_ready():
            end = child.end()
            if end or time.monotonic() > deadline:
                raise BootError(
                    f"{program.name} did not start ({end or f'{seconds:.0f} s have passed'});"
                    f" the end of {child.log_file}:\n{child.last_lines()}"
                )
            time.sleep(POLL_INTERVAL)

    def watch(self, until: Callable[[], bool]) -> None:
        """Keep the programs running until `until` returns True."""
        while not until():
            self.check(time.monotonic())
            time.sleep(POLL_INTERVAL)

    def check(self, now: float) -> None:
        """Report programs that have ended, and restart those whose delay is over."""
        for child in self._children:
            if child.restart_at is not None:
                if now >= child.restart_at:
                    child.start(now)
            elif end := child.end():
                self._report(child, end, child.failed(now))

    def stop(self) -> None:
        """End every program, the last one first."""
        while self._children:
            self._children.pop().stop()

    def _report(self, child: Child, end: str, delay: float) -> None:
        name, failures = child.program.name, child.failures
        log.error("program_ended", program=name, end=end, failures=failures, restart_in=delay)
        if failures == 1:
            self._notify(f"{name} ended ({end}) and is started again; its log: {child.log_file}")
        elif failures == 2:  # noqa: PLR2004 - the first restart failed
            self._notify(f"{name} ended again ({end}); the end of {child.log_file}:")
            self._notify(child.last_lines())


def _end_with_parent() -> None:
    """Have the kernel end this child if its supervisor is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
