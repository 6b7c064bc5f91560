"""Programs are kept running, and ended in order, whatever they do."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from detection_api.dev import supervisor
from detection_api.dev.supervisor import BootError, Child, Program, Supervisor
from tests.ingest.support import wait_until

FOREVER = "import threading; threading.Event().wait()"
FAILING = "import sys; print('the reason why', flush=True); sys.exit(3)"
STUBBORN = (
    "import signal, threading; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('deaf', flush=True); threading.Event().wait()"
)
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {FOREVER!r}])"
LEAVING_A_TRACE = (
    "import signal, sys, threading\n"
    "def end(*_):\n"
    "    with open('ended', 'a') as trace: trace.write(sys.argv[1])\n"
    "    sys.exit()\n"
    "signal.signal(signal.SIGTERM, end)\n"
    "print('ready', flush=True)\n"
    "while True: threading.Event().wait(0.05)\n"
)
LATER = 2 * supervisor.STEADY_AFTER


def python(name: str, code: str, *arguments: str) -> Program:
    return Program(name, [sys.executable, "-c", code, *arguments])


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervised(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    made = Supervisor({**os.environ, "MARK": "passed on"}, tmp_path, said.append)
    yield made
    made.stop()


def has_printed(child: Child, text: str) -> None:
    wait_until(lambda: text in child.log_file.read_text())


def test_output_goes_to_the_programs_log_and_the_environment_is_passed_on(
    supervised: Supervisor, tmp_path: Path
) -> None:
    child = supervised.start(python("speaker", "import os; print(os.environ['MARK'])"))
    assert child.process.wait() == 0
    assert (tmp_path / "speaker.log").read_text() == "passed on\n"


def test_a_program_that_ends_is_started_again_after_a_while(supervised: Supervisor) -> None:
    child = supervised.start(python("brief", FAILING))
    ended = child.process
    ended.wait()
    supervised.check(now=1000.0)
    supervised.check(now=1000.0 + supervisor.FIRST_DELAY / 2)
    assert child.process is ended, "started again too soon"
    supervised.check(now=1000.0 + supervisor.FIRST_DELAY)
    assert child.process is not ended


def test_a_program_that_keeps_ending_is_started_ever_less_often(supervised: Supervisor) -> None:
    child = supervised.start(python("brief", "pass"))
    now, delays = 1000.0, []
    for _ in range(9):
        child.process.wait()
        supervised.check(now)
        assert child.restart_at is not None
        delays.append(child.restart_at - now)
        supervised.check(now := child.restart_at)
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_program_that_ran_well_for_a_while_is_started_again_soon(supervised: Supervisor) -> None:
    child = supervised.start(python("brief", "pass"))
    for now in (1000.0, 1000.0 + LATER):
        child.process.wait()
        supervised.check(now)
        assert child.restart_at == now + supervisor.FIRST_DELAY
        supervised.check(child.restart_at)


def test_the_operator_is_told_that_a_program_ended_then_why_then_nothing_more(
    supervised: Supervisor, said: list[str], tmp_path: Path
) -> None:
    child = supervised.start(python("brief", FAILING))
    for attempt in range(4):
        child.process.wait()
        supervised.check(1000.0 + attempt)
        supervised.check(child.restart_at or 0.0)
    log = tmp_path / "brief.log"
    first, second, end_of_log = said
    assert first == f"brief ended (exit code 3) and is started again; its log: {log}"
    assert second == f"brief ended again (exit code 3); the end of {log}:"
    assert end_of_log.splitlines()[-1] == "the reason why"


def test_a_program_that_was_killed_takes_its_own_children_along(supervised: Supervisor) -> None:
    """Gunicorn's workers would go on to hold its port."""
    child = supervised.start(python("parent", PARENT))
    parent = psutil.Process(child.process.pid)
    wait_until(lambda: len(parent.children()) == 1)
    (orphan,) = parent.children()
    parent.kill()
    child.process.wait()
    supervised.check(1000.0)
    wait_until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)


def test_booting_ends_when_the_program_is_ready(supervised: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "slow.log"
    program = python("slow", f"print('ready', flush=True); {FOREVER}")
    supervised.boot(program, lambda: "ready" in log.read_text(), 20)
    assert log.read_text() == "ready\n"


def test_a_program_that_does_not_boot_is_reported_with_the_end_of_its_log(
    supervised: Supervisor,
) -> None:
    with pytest.raises(BootError, match=r"broken did not start \(exit code 3\)") as raised:
        supervised.boot(python("broken", FAILING), lambda: False, 20)
    assert str(raised.value).endswith("broken.log:\nthe reason why")


def test_a_program_that_takes_too_long_to_boot_is_reported(supervised: Supervisor) -> None:
    with pytest.raises(BootError, match=r"slow did not start \(0 s have passed\)"):
        supervised.boot(python("slow", FOREVER), lambda: False, 0)


def test_others_are_kept_running_while_something_is_waited_for(
    supervised: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_DELAY", 0.01)
    supervised.start(python("brief", "print('run', flush=True)"))
    log = tmp_path / "brief.log"
    supervised.watch(until=lambda: log.read_text().count("run") >= 2)


def test_the_last_program_started_is_ended_first(
    supervised: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        has_printed(supervised.start(python(name, LEAVING_A_TRACE, name)), "ready")
    supervised.stop()
    assert (tmp_path / "ended").read_text() == "cba"


def test_a_program_that_does_not_listen_is_killed(
    supervised: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "PATIENCE", 0.2)
    child = supervised.start(python("stubborn", STUBBORN))
    has_printed(child, "deaf")
    supervised.stop()
    assert child.end() == "SIGKILL"


def test_programs_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    """Even kill -9, which gives it no time to end them itself."""
    code = f"""
import sys, threading
from pathlib import Path
from detection_api.dev.supervisor import Program, Supervisor
made = Supervisor({{}}, Path({str(tmp_path)!r}), print)
child = made.start(Program("orphan", [sys.executable, "-c", {FOREVER!r}]))
print(child.process.pid, file=sys.stderr, flush=True)
threading.Event().wait()
"""
    parent = psutil.Popen([sys.executable, "-c", code], stderr=-1)
    orphan = psutil.Process(int(parent.stderr.readline()))
    parent.kill()
    parent.wait()
    parent.stderr.close()
    wait_until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)
