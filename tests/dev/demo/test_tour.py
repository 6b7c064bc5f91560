"""The tour types what an operator types, shows it, and ends with the report's place."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from detection_api.cli.demo import demo
from detection_api.dev.demo import tour as module

SCRIPT = """\
#!/bin/sh
echo "$@" >> {log}
case "$*" in
  "accepted list --json") echo '{accepted}' ;;
  demo*) exit {code} ;;
esac
"""


@pytest.fixture
def typed(tmp_path: Path) -> Callable[[], list[str]]:
    """The commands that were typed so far."""
    return lambda: (tmp_path / "log").read_text().splitlines()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the tour beside a `make run`, with a `detection-api` that does nothing."""
    monkeypatch.setattr(module, "running_base", lambda _: "http://127.0.0.1:8000")
    script = tmp_path / "detection-api"
    monkeypatch.setattr(module, "_installed", lambda: str(script))

    def invoke(*, accepted: object = (), code: int = 0) -> Result:
        text = SCRIPT.format(log=tmp_path / "log", accepted=json.dumps(accepted), code=code)
        script.write_text(text)
        script.chmod(0o700)
        return CliRunner().invoke(demo, ["rollout"])

    return invoke


def test_it_begins_at_0_accepts_what_never_shows_runs_under_traffic_and_reports(
    run: Callable[..., Result], typed: Callable[[], list[str]]
) -> None:
    result = run()
    assert result.exit_code == 0
    commands = typed()
    assert commands[:3] == [
        "rollout abandon --reason a tour of the demo",
        "rollout rollback --to 0 --reason a tour of the demo",
        "accepted list --json",
    ]
    assert sum(command.startswith("accepted add ") for command in commands) == 4
    traffic, report = commands[-2:]
    installed = module._installed()
    assert traffic.startswith(f"demo traffic --rate 200 -- {installed} rollout run --stages 10,25")
    assert report == "rollout report --format html --output instance/report.html"
    assert f"The report: {(Path('instance') / 'report.html').absolute().as_uri()}" in result.stdout


def test_every_command_is_shown_as_it_is_typed(run: Callable[..., Result]) -> None:
    shown = [line for line in run().stdout.splitlines() if line.startswith("$ ")]
    assert "$ detection-api rollout rollback --to 0 --reason 'a tour of the demo'" in shown
    assert len(shown) == 7


def test_what_is_accepted_already_is_not_accepted_again(
    run: Callable[..., Result], typed: Callable[[], list[str]]
) -> None:
    known = [
        {"endpoint": endpoint, "path": path, "kind": kind}
        for endpoint, path, kind, _ in module.ACCEPTED[1:]
    ]
    run(accepted=known)
    (added,) = (command for command in typed() if command.startswith("accepted add "))
    assert added.startswith("accepted add statistics.daily $:empty branch")


def test_a_run_that_does_not_complete_is_reported_too_and_is_the_exit_code(
    run: Callable[..., Result], typed: Callable[[], list[str]]
) -> None:
    assert run(code=1).exit_code == 1
    assert typed()[-1].startswith("rollout report ")


def test_without_a_make_run_it_is_one_clear_line(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "running_base", lambda _: None)
    result = run()
    assert result.exit_code == 1
    assert result.stderr == ("Error: no `make run` is running in this folder: start one first\n")


def test_the_command_of_this_installation_is_the_one_that_is_typed() -> None:
    said = subprocess.run([module._installed(), "--help"], check=True, capture_output=True)
    assert b"verify" in said.stdout


def test_ctrl_c_ends_what_runs_and_reports_nothing(
    run: Callable[..., Result], tmp_path: Path, typed: Callable[[], list[str]]
) -> None:
    script = f"""

from detection_api.dev.demo import tour
tour.running_base = lambda _: "http://x"
tour._installed = lambda: "{tmp_path}/detection-api"
tour.tour()
"""
    run()
    (tmp_path / "log").write_text("")
    (tmp_path / "detection-api").write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/log\n'
        "case \"$*\" in accepted*) echo '[]' ;; demo*) echo going; exec sleep 600 ;; esac\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while process.stdout.readline() != b"going\n":
            pass
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert typed()[-1].startswith("demo traffic ")
