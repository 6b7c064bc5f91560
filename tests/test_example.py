"""The canary is a library: the example in docs/ runs on it alone, as its README says."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError

import pytest

from tests.e2e.instance import free_port
from tests.ingest.support import wait_until

ROOT = Path(__file__).parents[1]
EXAMPLE = Path("docs", "examples", "app.py")


class Example:
    """The example, started as its README says, on a free port."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.process = process
        self._base = f"http://127.0.0.1:{port}"

    def post(self, path: str) -> str:
        request = urllib.request.Request(self._base + path, method="POST")
        with urllib.request.urlopen(request, timeout=10) as response:
            return str(response.read().decode())

    def slug(self, title: str) -> tuple[str, str]:
        """The slug of a (quoted) title, and who made it."""
        with urllib.request.urlopen(f"{self._base}/slugs/{title}", timeout=10) as response:
            return json.load(response)["slug"], response.headers["X-Canary"]

    def is_up(self) -> bool:
        assert self.process.poll() is None, "it has ended"
        with suppress(URLError):
            return bool(self.slug("x"))
        return False


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    port = free_port()
    command = [sys.executable, "-m", "flask", "--app", str(EXAMPLE), "run", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    example = Example(process, port)
    try:
        wait_until(example.is_up)
        yield example
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_the_example_goes_from_legacy_to_domain_and_back_by_itself(example: Example) -> None:
    assert example.slug("Hello%20World") == ("hello-world", "legacy; reason=holdout")

    assert example.post("/rollout/100") == "epoch 1\n"
    wait_until(lambda: example.slug("Hello%20World") == ("hello-world", "domain; reason=rollout"))

    answers = [example.slug("Caf%C3%A9") for _ in range(7)]
    assert answers == [("caf", "legacy; reason=fallback; cause=error")] * 7
    assert example.slug("Hello%20World") == ("hello-world", "legacy; reason=rolled_back")

    def is_resumed() -> bool:
        example.post("/rollout/100")
        return example.slug("Hello%20World")[1] == "domain; reason=rollout"

    wait_until(is_resumed)


def test_the_examples_readme_says_what_happens() -> None:
    text = (ROOT / EXAMPLE.parent / "README.md").read_text()
    assert f"flask --app {EXAMPLE} run" in text
    assert re.findall(r"# (\w+; reason=\w+)", text) == [
        "legacy; reason=holdout",
        "domain; reason=rollout",
        "legacy; reason=rolled_back",
    ]


def test_the_canary_imports_nothing_else_of_this_project() -> None:
    """Not even through what it imports: the example needs no more than the canary."""
    script = f"""
import runpy, sys
runpy.run_path({str(EXAMPLE)!r})
print(*(name for name in sys.modules if name.startswith("detection_api")), file=sys.stderr)
"""
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    )
    modules = run.stderr.split()
    assert "detection_api.canary.flask" in modules
    others = [name for name in modules if not name.startswith("detection_api.canary")]
    assert others == ["detection_api"]
