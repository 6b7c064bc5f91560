"""Real servers for every test that needs one: started once, ended at the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from detection_api import logs
from detection_api.embedded import EmbeddedPostgres, EmbeddedValkey


@pytest.fixture(autouse=True, scope="session")
def _structured_logs() -> None:
    """Log as the application does, so that tests can read what an operator would."""
    logs.configure("INFO")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server for the whole run."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """A Valkey server for the whole run."""
    server = EmbeddedValkey(Path(tmp_path_factory.mktemp("valkey")))
    server.start()
    yield server
    server.stop()
