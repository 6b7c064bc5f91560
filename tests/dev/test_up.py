"""`detection-api up`, as a newcomer runs it: one start to look at, and what can go wrong."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil
import pytest

from detection_api.dev.embedded import EmbeddedValkey
from tests.e2e.instance import PATH_OF, PATHS, ROOT, free_port, get
from tests.ingest.support import lines, stored, wait_until
from tests.world import shows_data

COMMAND = Path(sys.executable).parent / "detection-api"
BOOT_SECONDS = 90


class Up:
    """A running `up` in a folder of its own."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.port = free_port()
        self.folder = folder
        inherited = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
        self._environ = {
            **inherited,
            "PORT": str(self.port),
            "ENV_FILE": os.devnull,
            **environ,
        }

    def start(self) -> Self:
        """Run it, and return when it is ready."""
        self.launch()
        self.wait_until_ready()
        return self

    def launch(self) -> None:
        self.screen = ""
        self.process = subprocess.Popen(
            [COMMAND, "up", "--instance", str(self.folder)],
            cwd=ROOT,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_until_ready(self) -> None:
        """Read the screen as far as the last line of what a newcomer is shown."""
        assert self.process.stdout is not None
        watchdog = threading.Timer(BOOT_SECONDS, self.process.kill)
        watchdog.start()
        for line in self.process.stdout:
            self.screen += line
            if "Reload" in line:
                break
        watchdog.cancel()
        assert "Reload" in self.screen, self.screen

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, number: int = signal.SIGINT) -> str:
        """End it as Ctrl-C does; what it says."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=60)
        return said


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def servers(folder: Path) -> list[psutil.Process]:
    """The embedded servers' processes; PostgreSQL's are nobody's children."""
    working_in = (str(folder / "postgres"), str(folder / "valkey"))
    return [p for p in psutil.process_iter(["cwd"]) if p.info["cwd"] in working_in]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up") / "instance"


@pytest.fixture(scope="module")
def up(folder: Path) -> Iterator[Up]:
    """The first start on a fresh machine."""
    started = Up(folder, ENV_FILE=str(folder.with_suffix(".env"))).start()
    yield started
    if started.process.poll() is None:
        started.stop()


def refusal(folder: Path, **environ: str) -> str:
    """All that a start says that must not succeed."""
    attempt = Up(folder, **environ)
    attempt.launch()
    said, _ = attempt.process.communicate(timeout=60)
    assert attempt.process.returncode == 1
    return said


def test_all_seven_answer_with_data_in_both_arms_from_the_first_request(up: Up) -> None:
    for endpoint, path in PATH_OF.items():
        for arm, word in (("domain", "true"), ("legacy", "false")):
            reply = get(up.port, f"{path}{'&' if '?' in path else '?'}force_domain={word}")
            assert (reply.status, reply.who) == (200, f"{arm}; reason=forced")
            assert shows_data(endpoint, reply.body), f"{path} has no data"


def test_the_screen_fits_a_terminal_and_shows_the_way(up: Up) -> None:
    lines = up.screen.splitlines()
    assert max(len(line) for line in lines[-16:] if str(up.folder) not in line) <= 80
    for needed in (f"http://127.0.0.1:{up.port}/docs", "curl -i", "Ctrl-C", "Logs", "kill -HUP"):
        assert needed in up.screen
    assert get(up.port, "/api/v1/monitoring/health").status == 200


def test_a_second_up_in_the_same_folder_is_one_clear_line(up: Up, folder: Path) -> None:
    assert refusal(folder) == f"Error: another `up` is running in {folder}\n"


def test_a_taken_port_is_one_clear_line(up: Up, tmp_path: Path) -> None:
    said = refusal(tmp_path / "other", PORT=str(up.port))
    assert said == f"Error: port {up.port} is taken; choose another: PORT=8080 make run\n"


def test_a_folder_that_cannot_be_written_to_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = refusal(tmp_path / "file" / "instance")
    assert said.startswith(f"Error: {tmp_path}/file/instance cannot be written to")
    assert said.count("\n") == 1


def test_an_unreadable_setting_is_one_clear_line(tmp_path: Path) -> None:
    said = refusal(tmp_path / "instance", CANARY_DEADLINE_MS="soon")
    assert "Error: CANARY_DEADLINE_MS is unreadable" in said
    assert "Traceback" not in said


def test_a_database_that_does_not_answer_is_one_clear_line(tmp_path: Path) -> None:
    nobody = "127.0.0.1:1"
    said = refusal(
        tmp_path / "instance",
        DATABASE_URL=f"postgresql://{nobody}/x",
        REDIS_URL=f"redis://{nobody}",
    )
    *_, last = said.splitlines()
    assert last.startswith("Error: PostgreSQL: Connection refused")
    assert "Traceback" not in said


def test_another_folder_than_the_projects_is_one_clear_line(tmp_path: Path) -> None:
    said = subprocess.run(
        [COMMAND, "up"], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert said.returncode == 1
    assert said.stderr == "Error: this is not the folder of the project: it has no wsgi.py\n"


def beside(folder: Path, *arguments: str) -> str:
    """What a command says that is given in the folder where `up` runs, and told nothing else."""
    environ = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    done = subprocess.run(
        [COMMAND, *arguments],
        cwd=folder.parent,
        env=environ,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_commands_beside_it_need_to_be_told_nothing(up: Up, folder: Path) -> None:
    assert "up to date" in beside(folder, "rollout", "status")
    said = beside(folder, "verify", "--endpoint", "records.violation")
    assert said.endswith(f"http://127.0.0.1:{up.port}: 1 of 1 endpoints passed\n")


def test_the_simulated_detector_goes_on(up: Up) -> None:
    before = get(up.port, PATHS[0]).body["total"]
    wait_until(lambda: get(up.port, PATHS[0]).body["total"] > before)


def test_a_hup_to_the_process_in_the_pid_file_makes_workers_read_the_env_file(
    up: Up, folder: Path
) -> None:
    env_file = folder.with_suffix(".env")
    env_file.write_text("USE_DOMAIN_SERVICE=false\n")
    os.kill(int((folder / "gunicorn.pid").read_text()), signal.SIGHUP)
    wait_until(lambda: get(up.port, PATHS[5]).who == "legacy; reason=kill_switch")
    env_file.unlink()


def test_a_killed_program_is_started_again(up: Up) -> None:
    def followers() -> list[psutil.Process]:
        command = ["detection_api.ingest", "events"]
        found = []
        for child in up.children():
            with suppress(psutil.NoSuchProcess):  # it may end while it is looked at
                if is_alive(child) and child.cmdline()[2:4] == command:
                    found.append(child)
        return found

    (victim,) = followers()
    victim.kill()
    wait_until(lambda: [p.pid for p in followers()] not in ([], [victim.pid]))
    (successor,) = followers()
    assert successor.pid != victim.pid


def test_stopping_ends_everything_and_the_next_start_keeps_the_data(up: Up, folder: Path) -> None:
    before = get(up.port, PATHS[0]).body["total"]
    started = [*up.children(), *servers(folder)]
    assert {"postgres", "valkey-server"} <= {process.name() for process in started}
    assert up.stop().splitlines()[-1] == "Stopped."
    assert up.process.returncode == 0
    assert not [process for process in started if is_alive(process)]
    up.start()
    total = get(up.port, PATHS[0]).body["total"]
    assert before <= total < before + 1000, "history is not written twice"


def test_a_killed_up_leaves_nothing_that_hinders_the_next(up: Up, folder: Path) -> None:
    up.process.kill()
    up.process.communicate()
    successor = Up(folder).start()
    assert get(successor.port, PATHS[5]).status == 200
    assert successor.stop(signal.SIGTERM).splitlines()[-1] == "Stopped."


def test_a_gunicorn_that_does_not_start_is_shown_with_the_end_of_its_log(folder: Path) -> None:
    said = refusal(folder, WEB_CONCURRENCY="many")
    assert "Error: gunicorn did not start (exit code 1); the end of " in said
    assert "invalid literal for int() with base 10: 'many'" in said
    assert said.endswith("\n")
    assert not servers(folder)


def test_servers_and_a_log_that_are_named_are_used_and_nothing_is_simulated(
    database: str, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    log = tmp_path / "events.jsonl"
    log.write_bytes(lines(1, 2, 3))
    named = Up(
        tmp_path / "instance", DATABASE_URL=database, REDIS_URL=valkey.url, EVENTS_LOG=str(log)
    )
    named.start()
    assert "Demo     off" in named.screen
    assert not servers(named.folder)
    assert len(stored(database)) == 3
    named.stop()
    assert log.read_bytes() == lines(1, 2, 3)
