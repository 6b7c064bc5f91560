"""The commands run as an operator runs them, on the application's real endpoints."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from detection_api.canary.state.store import Store
from detection_api.cli.main import main
from detection_api.telemetry import logs
from tests.canary.stores import in_postgres

Run = Callable[..., Result]


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """The fleet's store, as workers use it."""
    with in_postgres(database) as stored:
        yield stored.store


@pytest.fixture
def run(store: Store, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `detection-api` for the test's database; keywords are environment variables."""
    assert store, "leaves psycopg2's way of waiting as it was"
    monkeypatch.setattr(logs, "configure", lambda level: None)
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "none"))

    def invoke(*arguments: object, **environ: str) -> Result:
        return CliRunner(env=environ).invoke(main, [*map(str, arguments)])

    return invoke


@pytest.fixture
def changed(run: Run) -> Run:
    """Like `run`, for a command that must succeed."""

    def invoke(*arguments: object, **environ: str) -> Result:
        result = run(*arguments, **environ)
        assert result.exit_code == 0, result.output
        return result

    return invoke
