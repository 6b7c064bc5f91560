"""A command starts without the imports of the others."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from detection_api.cli.lazy_group import LazyGroup
from detection_api.cli.main import COMMANDS, main

SLOW = {"alembic", "flask_caching", "flask_migrate", "pygal", "sqlalchemy"}


def _loaded(*words: str) -> set[str]:
    """Return the modules that a command has loaded at its end."""
    script = """
import sys
from detection_api.cli.main import main
main(prog_name="detection-api", standalone_mode=False)
print(*sys.modules, file=sys.stderr)
"""
    command = [sys.executable, "-c", script, *words]
    return set(subprocess.run(command, check=True, capture_output=True).stderr.decode().split())


def test_the_version_needs_no_application() -> None:
    assert not _loaded("--version") & {*SLOW, "flask", "psycopg2"}


@pytest.mark.parametrize("command", ["ingest", "demo"])
def test_commands_that_need_no_application_start_without_its_libraries(command: str) -> None:
    assert not _loaded(command, "--help") & SLOW


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(main, ["--help"])
    listed = [line.split()[0] for line in result.output.split("Commands:")[1].splitlines() if line]
    assert listed == sorted(COMMANDS)


def test_a_command_that_does_not_exist_is_an_error_of_usage() -> None:
    group = LazyGroup("group", places={"known": "json:loads"})
    assert group.get_command(click.Context(group), "unknown") is None
    assert CliRunner().invoke(group, ["unknown"]).exit_code == 2
