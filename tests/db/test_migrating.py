"""`detection-api db upgrade` works in any folder, from a checkout and from an installed wheel."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.copies import environ_of_copies
from tests.factory import COMMAND
from tests.ingest.support import query

ROOT = Path(__file__).parents[2]
SOURCES = ("src", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
OFFLINE = ("--no-deps", "--no-index", "--no-build-isolation")
REVISION = "SELECT version_num FROM alembic_version"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as its wheel installs it, built in a copy of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    subprocess.run([*PIP, "wheel", *OFFLINE, "-w", folder, folder], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*PIP, "install", *OFFLINE, "-t", folder / "installed", wheel], check=True)
    return folder / "installed"


def upgrade(command: Path, folder: Path, environ: Mapping[str, str]) -> None:
    subprocess.run([command, "db", "upgrade"], cwd=folder, env=environ, check=True)


def test_a_checkout_upgrades_from_any_folder(
    new_database: Callable[[str], str], tmp_path: Path
) -> None:
    url = new_database("from_another_folder")
    upgrade(COMMAND, tmp_path, {**os.environ, "DATABASE_URL": url})
    assert query(url, REVISION) != []


def test_a_wheel_upgrades_without_a_checkout(
    new_database: Callable[[str], str], tmp_path: Path, installed: Path
) -> None:
    url = new_database("from_a_wheel")
    environ = {**environ_of_copies(), "PYTHONPATH": str(installed), "DATABASE_URL": url}
    found = subprocess.run(
        [sys.executable, "-c", "import detection_api; print(detection_api.__file__)"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(found.stdout).is_relative_to(installed)
    upgrade(installed / "bin/detection-api", tmp_path, environ)
    assert query(url, REVISION) != []


def test_flask_has_the_commands_too(new_database: Callable[[str], str], tmp_path: Path) -> None:
    url = new_database("by_flask")
    flask = (COMMAND.with_name("flask"), "--app", "detection_api:create_app")
    environ = {**os.environ, "DATABASE_URL": url}
    subprocess.run([*flask, "db", "upgrade"], cwd=tmp_path, env=environ, check=True)
    assert query(url, REVISION) != []


def test_an_application_starts_without_the_library_of_migrations(database_url: str) -> None:
    script = "import sys; from detection_api import create_app; create_app(); print(*sys.modules)"
    environ = {**os.environ, "DATABASE_URL": database_url, "ENV_FILE": "none"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, check=True, capture_output=True, text=True
    )
    loaded = set(done.stdout.split())
    assert "sqlalchemy" in loaded
    assert not loaded & {"alembic", "flask_migrate"}
