"""Ingestion runs in processes of its own, where psycopg2 waits as it does by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ingest.restarted import Restarted


@pytest.fixture(autouse=True)
def _in_a_process_of_its_own(unbound_waits: None) -> None:
    """See `unbound_waits`."""


@pytest.fixture
def restarted_log(tmp_path: Path) -> Path:
    """The path of a log whose name has characters with a meaning in patterns."""
    return tmp_path / "events [1].jsonl"


@pytest.fixture
def restarted(restarted_log: Path) -> Iterator[Restarted]:
    """A reader of the log at `restarted_log`."""
    reader = Restarted(restarted_log)
    yield reader
    reader.end()
