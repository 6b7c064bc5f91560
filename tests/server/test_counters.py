"""The folder of counters exists whenever a worker needs it."""

from pathlib import Path

import pytest

from detection_api.server.counters import METRICS, ensure_folder


def test_the_folder_is_private_and_made_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "counters"
    monkeypatch.setenv(METRICS, str(folder))
    for _ in range(2):
        ensure_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
