"""Programs are kept running, and ended in order, whatever they do."""

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from detection_api import supervisor
from detection_api.supervisor import Program, Supervisor

FOREVER = "import threading; threading.Event().wait()"
STUBBORN = (
    "import signal, threading; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('deaf', flush=True); threading.Event().wait()"
)


def python(name: str, code: str) -> Program:
    return Program(name, [sys.executable, "-c", code])


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervised(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Supervisor]:
    monkeypatch.setattr(supervisor, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(supervisor, "PATIENCE", 0.2)
    made = Supervisor({"MARK": "passed on"}, tmp_path, said.append)
    yield made
    made.stop()


def eventually(condition: Callable[[], object]) -> None:
    for _ in range(500):
        if condition():
            return
        threading.Event().wait(0.02)
    pytest.fail("did not happen within ten seconds")


def watched(supervised: Supervisor) -> threading.Event:
    stop = threading.Event()
    threading.Thread(target=supervised.watch, args=(stop,)).start()
    return stop


def test_output_goes_to_the_programs_log_and_the_environment_is_passed_on(
    supervised: Supervisor, tmp_path: Path
) -> None:
    child = supervised.start(python("speaker", "import os; print(os.environ['MARK'])"))
    assert child.process.wait() == 0
    assert (tmp_path / "speaker.log").read_text() == "passed on\n"


def test_a_program_that_ends_is_started_again_and_said_so(
    supervised: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    supervised.start(python("brief", "import sys; print('run', flush=True); sys.exit(3)"))
    stop = watched(supervised)
    eventually(lambda: (tmp_path / "brief.log").read_text().count("run") >= 3)
    stop.set()
    assert said[0].startswith("brief ended with exit code 3; it is started again in")
    assert str(tmp_path / "brief.log") in said[0]


def test_a_program_that_keeps_ending_is_started_ever_less_often(
    supervised: Supervisor, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_DELAY", 1.0)
    child = supervised.start(python("brief", "pass"))
    for _ in range(3):
        child.process.wait()
        child.look(time.monotonic(), said.append)
        child.look(time.monotonic() + supervisor.LONGEST_DELAY, said.append)
    assert [re.findall(r"in (\d+) s", line) for line in said] == [["1"], ["2"], ["4"]]


def test_a_program_that_ran_well_for_a_while_is_started_again_soon(
    supervised: Supervisor, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_DELAY", 1.0)
    child = supervised.start(python("brief", "pass"))
    for later in (0.0, supervisor.STEADY_AFTER + 1):
        child.process.wait()
        child.look(time.monotonic() + later, said.append)
        child.look(time.monotonic() + 2 * supervisor.STEADY_AFTER, said.append)
    assert [re.findall(r"in (\d+) s", line) for line in said] == [["1"], ["1"]]


def test_stopping_ends_every_program(supervised: Supervisor) -> None:
    children = [supervised.start(python(name, FOREVER)) for name in ("one", "two")]
    supervised.stop()
    assert all(child.process.poll() is not None for child in children)


def test_a_program_that_does_not_listen_is_killed(supervised: Supervisor, tmp_path: Path) -> None:
    child = supervised.start(python("stubborn", STUBBORN))
    eventually(lambda: "deaf" in (tmp_path / "stubborn.log").read_text())
    supervised.stop()
    assert child.process.returncode == -9


def test_programs_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    """Even kill -9, which gives it no time to end them itself."""
    code = f"""
import sys, threading
from pathlib import Path
from detection_api.supervisor import Program, Supervisor
made = Supervisor({{}}, Path({str(tmp_path)!r}), print)
child = made.start(Program("orphan", [sys.executable, "-c", {FOREVER!r}]))
print(child.process.pid, flush=True)
threading.Event().wait()
"""
    parent = psutil.Popen([sys.executable, "-c", code], stdout=-1)
    orphan = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    eventually(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)
