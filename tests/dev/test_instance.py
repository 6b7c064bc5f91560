"""An `up` has its folder and its port to itself, and cleans up after one that was killed."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from detection_api.dev import instance as module
from detection_api.dev.instance import (
    Instance,
    UpError,
    claimed,
    find_running,
    port_number,
    publish_environment,
    refuse_taken,
)

FOREVER = "import threading; print('up', flush=True); threading.Event().wait()"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {FOREVER}"


@pytest.mark.parametrize("text", ["", "abc", "0", "65536", "-1", "80.5", "８０００"])
def test_a_port_that_is_none_is_named(text: str) -> None:
    with pytest.raises(UpError, match="is not a port number"):
        port_number(text)


def test_a_taken_port_is_refused_with_a_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UpError, match=f"port {port} is taken; choose another"):
            refuse_taken(port)
    refuse_taken(port)


def test_a_port_that_may_not_be_used_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOST", "192.0.2.1")
    with pytest.raises(UpError, match="port 8000 cannot be used"):
        refuse_taken(8000)


def test_a_folder_belongs_to_one_at_a_time(tmp_path: Path) -> None:
    place = Instance(tmp_path, 8000)
    with claimed(place):
        assert (tmp_path / "up.pid").read_text() == str(os.getpid())
        with pytest.raises(UpError, match="another `up` is running"), claimed(place):
            pass
    with claimed(place):
        pass


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = Instance(tmp_path / "file" / "instance", 8000)
    with pytest.raises(UpError, match=r"instance cannot be written to: "), claimed(place):
        pass


@pytest.mark.parametrize(
    ("code", "number"), [(FOREVER, signal.SIGTERM), (DEAF, signal.SIGKILL)], ids=["polite", "deaf"]
)
def test_what_a_killed_up_left_running_is_ended(
    tmp_path: Path, code: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEFTOVER_PATIENCE", 0.3)
    place = Instance(tmp_path, 8000)
    name, _, value = place.mark.partition("=")
    place.pidfile.write_text("1")
    with subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, name: value}, stdout=subprocess.PIPE
    ) as leftover:
        assert leftover.stdout is not None
        leftover.stdout.readline()
        with claimed(place):
            assert leftover.wait() == -number
            assert not place.pidfile.exists()


ENVIRON = {"DATABASE_URL": "postgresql:///x", "REDIS_URL": "", "PORT": "8000", "PATH": "/bin"}


def test_commands_find_what_they_need_while_an_up_runs_and_no_longer(tmp_path: Path) -> None:
    place = Instance(tmp_path, 8000)
    with claimed(place):
        assert find_running(tmp_path) == {}, "it does not serve anything yet"
        with publish_environment(place, ENVIRON):
            assert find_running(tmp_path) == {"DATABASE_URL": "postgresql:///x", "PORT": "8000"}
        assert find_running(tmp_path) == {}


def test_what_is_left_for_commands_may_hold_a_password_and_nobody_else_can_read_it(
    tmp_path: Path,
) -> None:
    place = Instance(tmp_path, 8000)
    before = os.umask(0)
    try:
        with publish_environment(place, ENVIRON):
            assert stat.S_IMODE(place.environment_file.stat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_up_has_left_is_not_believed(tmp_path: Path) -> None:
    place = Instance(tmp_path, 8000)
    with claimed(place):
        pass
    place.environment_file.write_text(json.dumps(ENVIRON))
    assert find_running(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "{", "\xff"], ids=["empty", "torn", "no text"])
def test_what_cannot_be_read_is_as_nothing(tmp_path: Path, text: str) -> None:
    place = Instance(tmp_path, 8000)
    with claimed(place):
        place.environment_file.write_text(text, encoding="latin-1")
        assert find_running(tmp_path) == {}
