"""A granian worker handles what earlier workers left in the shared temporary folder."""

import os
import signal
import tempfile
from pathlib import Path

import pytest

from detection_api.server import granian
from detection_api.server.counters import METRICS


def test_a_worker_starts_though_another_program_has_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = tmp_path / "detection-api-metrics-of-somebody"
    ended = tmp_path / "detection-api-metrics-of-1-0"
    for folder in (strange, ended):
        folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setenv(METRICS, "")  # so that it is taken back
    monkeypatch.delenv(METRICS)
    granian.join()
    assert strange.is_dir()
    assert not ended.exists()
    assert Path(os.environ[METRICS]).is_dir()


def test_a_number_that_is_another_users_process_by_now_is_an_ended_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    (tmp_path / "gauge_livesum_123.db").touch()
    monkeypatch.setattr(os, "kill", refuse)
    assert list(granian._ended(tmp_path)) == [123]
