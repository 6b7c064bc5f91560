"""Commands beside a `make run` need to be told nothing, and elsewhere tell what they need."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from detection_api.cli import environment
from detection_api.dev.instance import Instance, claimed, publish_environment
from tests.factory import COMMAND

RUNNING = {"DATABASE_URL": "postgresql:///running", "REDIS_URL": "redis://running", "PORT": "8391"}


@pytest.fixture
def _beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An `up` that runs in the folder where the command is given, which names nothing itself."""
    monkeypatch.setattr(environment, "INSTANCE", tmp_path / "instance")
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "env"))
    for name in ("DATABASE_URL", "REDIS_URL", "PORT"):
        monkeypatch.delenv(name, raising=False)
    place = Instance(tmp_path / "instance", 8391)
    with claimed(place), publish_environment(place, RUNNING):
        yield


@pytest.mark.usefixtures("_beside")
def test_a_command_beside_a_running_up_works_on_its_servers() -> None:
    assert RUNNING.items() <= environment.read_variables().items()


@pytest.mark.usefixtures("_beside")
def test_a_database_in_the_environment_is_another_system_of_which_nothing_is_mixed_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql:///named")
    found = environment.read_variables()
    assert found["DATABASE_URL"] == "postgresql:///named"
    assert "REDIS_URL" not in found


@pytest.mark.usefixtures("_beside")
def test_a_database_in_the_env_file_wins_too(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("DATABASE_URL=postgresql:///named\n")
    assert environment.read_variables()["DATABASE_URL"] == "postgresql:///named"


@pytest.mark.usefixtures("_beside")
def test_what_is_named_beside_a_found_database_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://named")
    found = environment.read_variables()
    assert (found["DATABASE_URL"], found["REDIS_URL"]) == (
        "postgresql:///running",
        "redis://named",
    )


@pytest.mark.parametrize("arguments", [("rollout", "status"), ("demo", "history")], ids=" ".join)
def test_without_a_database_a_command_says_in_one_line_how_to_name_one(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    environ = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    said = subprocess.run(
        [COMMAND, *arguments],
        cwd=tmp_path,
        env=environ,
        check=False,
        capture_output=True,
        text=True,
    )
    assert said.returncode != 0
    (line,) = said.stderr.splitlines()[-1:]
    assert line.startswith("Error: DATABASE_URL is not set")
    assert "no `make run` is running in this folder" in line
    assert line.endswith("export DATABASE_URL=postgresql://USER@HOST/NAME")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [((), "rollout"), (("rollout", "set"), "PERCENT"), (("db", "upgrade"), "[REVISION]")],
    ids=str,
)
def test_what_there_is_to_type_is_told_without_a_database(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    environ = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    said = subprocess.run(
        [COMMAND, *arguments, "--help"],
        cwd=tmp_path,
        env=environ,
        check=True,
        capture_output=True,
        text=True,
    )
    assert told in said.stdout
    assert said.stderr == ""
