"""Commands end when they are asked to, each in its own way, and no second request cuts it short."""

import signal
import subprocess
import sys

import pytest

STOPPING = """
import signal, sys, threading
from detection_api.server.signals import stop_on_signals
with stop_on_signals() as stop:
    print("running", flush=True)
    stop.wait()
print("stopped")
"""
STUCK = STOPPING.replace("stop.wait()", "threading.Event().wait()")
INTERRUPTED = """
import signal, sys
from detection_api.server.signals import STOP_SIGNALS, interrupt_on_signals
signal.signal(signal.SIGHUP, eval(sys.argv[1]))
interrupt_on_signals()
try:
    print("running", flush=True)
    sys.stdin.readline()
    print("not interrupted")
except KeyboardInterrupt:
    for number in STOP_SIGNALS:
        signal.raise_signal(number)
    print("cleaned up")
"""


def ended_by(code: str, *numbers: int, arguments: tuple[str, ...] = ()) -> tuple[int, str]:
    """Run `code`, send it the signals once it runs; its exit code and what it said then."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        for number in numbers:
            process.send_signal(number)
        said, _ = process.communicate("\n", timeout=30)
    return process.returncode, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_follower_is_told_to_stop_and_ends_by_itself(number: int) -> None:
    assert ended_by(STOPPING, number) == (0, "stopped\n")


def test_a_follower_that_is_stuck_ends_at_the_second_signal() -> None:
    with subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == -signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_cleaning_up_is_not_cut_short_by_further_signals(number: int) -> None:
    answer = ended_by(INTERRUPTED, number, arguments=("signal.SIG_DFL",))
    assert answer == (0, "cleaned up\n")


def test_nohup_goes_on_when_the_terminal_is_closed() -> None:
    answer = ended_by(INTERRUPTED, signal.SIGHUP, arguments=("signal.SIG_IGN",))
    assert answer == (0, "not interrupted\n")
