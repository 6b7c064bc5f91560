"""A process that dies during a call of the domain leaves the call behind, and nothing else does."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from detection_api.canary.serving.calls import SLOTS, SUFFIX, Calls, left_by_dead

ENDPOINTS = ("items.item", "items.all")
PROCESS = """
import os, signal, sys
from pathlib import Path
from detection_api.canary.serving.calls import Calls
calls = Calls({endpoints!r}, Path(sys.argv[1]))
{script}
"""


def run(folder: Path, script: str) -> int:
    """Run a script in a process of its own that has `calls`; return its exit code."""
    program = PROCESS.format(endpoints=ENDPOINTS, script=script)
    return subprocess.run([sys.executable, "-c", program, folder], check=False).returncode


@pytest.mark.parametrize(
    "end",
    ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)", "os.abort()"],
    ids=["exit without a farewell", "SIGKILL, as by the kernel when memory is short", "abort"],
)
def test_a_process_that_dies_in_a_call_leaves_the_endpoint(tmp_path: Path, end: str) -> None:
    run(tmp_path, f"calls.enter('items.all'); {end}")
    assert left_by_dead(tmp_path) == ["items.all"]
    assert left_by_dead(tmp_path) == [], "it is taken once"
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_killed_while_it_is_idle_leaves_nothing(tmp_path: Path) -> None:
    run(tmp_path, "calls.leave(calls.enter('items.all')); os.kill(os.getpid(), signal.SIGKILL)")
    assert left_by_dead(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_ends_in_an_orderly_way_leaves_nothing(tmp_path: Path) -> None:
    """A thread that was left alone may still be in its call."""
    assert run(tmp_path, "calls.enter('items.all'); sys.exit(0)") == 0
    assert list(tmp_path.iterdir()) == []


def test_several_calls_of_an_endpoint_are_one_death(tmp_path: Path) -> None:
    script = "[calls.enter(e) for e in ('items.all', 'items.item', 'items.all')]; os._exit(0)"
    run(tmp_path, script)
    assert sorted(left_by_dead(tmp_path)) == ["items.all", "items.item"]


def test_the_calls_of_living_processes_are_left_alone(tmp_path: Path) -> None:
    calls = Calls(ENDPOINTS, tmp_path)
    slot = calls.enter("items.item")
    assert left_by_dead(tmp_path) == []
    calls.leave(slot)
    calls.end()
    assert list(tmp_path.iterdir()) == []


def test_a_forked_process_has_a_file_of_its_own(tmp_path: Path) -> None:
    calls = Calls(ENDPOINTS, tmp_path)
    calls.enter("items.item")
    child = os.fork()
    if child == 0:
        calls.begin()
        calls.enter("items.all")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert left_by_dead(tmp_path) == ["items.all"], "the parent lives"
    calls.end()


def test_more_calls_than_slots_are_not_recorded_and_do_no_harm() -> None:
    calls = Calls(ENDPOINTS, None)
    slots = [calls.enter("items.item") for _ in range(SLOTS + 2)]
    assert slots[-2:] == [-1, -1]
    for slot in slots:
        calls.leave(slot)
    assert calls.enter("items.item") >= 0


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    calls = Calls(ENDPOINTS, tmp_path / "file" / "calls")
    calls.leave(calls.enter("items.item"))


def test_a_damaged_file_is_removed(tmp_path: Path) -> None:
    (tmp_path / f"damaged{SUFFIX}").write_bytes(b"\x01")
    assert left_by_dead(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_threads_have_slots_of_their_own() -> None:
    calls = Calls(ENDPOINTS, None)
    slots: list[int] = []
    barrier = threading.Barrier(8)

    def call() -> None:
        barrier.wait()
        for _ in range(200):
            slot = calls.enter("items.item")
            slots.append(slot)
            calls.leave(slot)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(calls._free)) == len(calls._free) == SLOTS


def test_the_record_of_a_call_costs_less_than_ten_calls_of_an_empty_function(
    tmp_path: Path,
) -> None:
    """That is half a microsecond on an idle machine, and holds on a busy one."""
    calls = Calls(ENDPOINTS, tmp_path)

    def empty(_endpoint: str) -> None:
        pass

    ratios = [
        _seconds(lambda: calls.leave(calls.enter("items.item"))) / _seconds(lambda: empty("item"))
        for _ in range(20)
    ]
    calls.end()
    assert min(ratios) < 10


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    for _ in range(10_000):
        work()
    return time.perf_counter() - began
