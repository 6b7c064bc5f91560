"""The page on the canary in other applications: every block of it runs as it is written."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.instance import free_port

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "canary.md"
EXAMPLES = ROOT / "docs" / "examples"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(PAGE.read_text())
COMMANDS = [line for language, block in BLOCKS if language == "bash" for line in block.splitlines()]
DATABASE = "postgresql://localhost/shop"
PATIENCE = 60.0
"""Seconds in which a command must print what the page says, run again and again."""


class Terminal:
    """A shell that runs the page's commands one after the other, with a server beside it."""

    def __init__(self, log: Path) -> None:
        self._port = str(free_port())
        self._log = log
        self._server: subprocess.Popen[bytes] | None = None
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            cwd=ROOT,
            env={
                **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
                "FLASK_RUN_PORT": self._port,
                "ENV_FILE": str(log.with_name("none")),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.run(f"export PATH={Path(sys.executable).parent}:$PATH")

    def run(self, line: str) -> str:
        """Run a command to its end; what it prints."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(line.replace(":5000", f":{self._port}") + "\necho; echo --end--\n")
        self._shell.stdin.flush()
        return "".join(iter(self._shell.stdout.readline, "--end--\n"))

    def serve(self, line: str) -> None:
        """Run a server that takes the place of the one before, and wait until it answers."""
        self.stop()
        environment = dict(
            variable.split("=", 1)
            for variable in self.run("env -0 | tr '\\n\\0' ' \\n'").splitlines()
            if "=" in variable
        )
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                ["bash", "-c", f"exec env {line}"],
                cwd=EXAMPLES,
                env=environment,
                stdout=log,
                stderr=log,
            )
        self.expect("curl -si http://127.0.0.1:5000/prices/mug", "200 OK")

    def expect(self, line: str, expected: str) -> None:
        """Run a command until it prints what is expected."""
        until = time.monotonic() + PATIENCE
        while expected not in (printed := self.run(line)):
            assert time.monotonic() < until, f"{line}\n{printed}\n{self._log.read_text()[-3000:]}"
            time.sleep(0.1)

    def stop(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.terminate()
            self._server.wait(timeout=PATIENCE)
            self._server = None

    def close(self) -> None:
        """End the server and the shell."""
        self.stop()
        self._shell.communicate("exit\n", timeout=PATIENCE)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path / "log")
    yield made
    made.close()


def test_every_command_of_the_page_does_what_the_page_says(
    terminal: Terminal, new_database: Callable[[str], str]
) -> None:
    url = new_database("shop")
    served = 0
    for command in COMMANDS:
        line, _, expected = (part.strip() for part in command.partition("  # "))
        if re.search(r"\bflask( --app \w+)? run$", line):
            terminal.serve(line)
            served += 1
        elif expected:
            terminal.expect(line, expected)
        else:
            terminal.run(line.replace(DATABASE, f"'{url}'"))
    assert served == 2


def test_the_page_shows_the_examples_files_as_they_are() -> None:
    shown = [block for language, block in BLOCKS if language == "python"]
    files = [(EXAMPLES / name).read_text() for name in ("prices.py", "plain.py", "shop.py")]
    assert shown == files
    assert len([*EXAMPLES.glob("*.py")]) == len(files)


def test_the_canary_imports_nothing_else_of_this_project() -> None:
    """Not even through what it imports: the plain example needs no more than the canary."""
    script = """
import plain, sys
print(*(name for name in sys.modules if name.startswith("detection_api")), file=sys.stderr)
"""
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=EXAMPLES, check=True, capture_output=True, text=True
    )
    modules = run.stderr.split()
    assert "detection_api.canary.flask" in modules
    others = [name for name in modules if not name.startswith("detection_api.canary")]
    assert others == ["detection_api"]
