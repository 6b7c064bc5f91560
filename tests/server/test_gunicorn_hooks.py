"""Each gunicorn master has its own folder of counters, from its start to its end."""

import os
from pathlib import Path
from types import SimpleNamespace

import prometheus_client.multiprocess
import pytest

from detection_api.server import gunicorn_hooks, worker
from detection_api.server.counters import METRICS


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(METRICS, "of an earlier master")
    monkeypatch.setenv(gunicorn_hooks.OWNER, "1")


def test_a_master_uses_no_folder_of_an_earlier_one_and_keeps_its_own_after_a_hup() -> None:
    gunicorn_hooks.share_counters()
    folder = Path(os.environ[METRICS])
    gunicorn_hooks.share_counters()
    assert os.environ[METRICS] == str(folder)
    assert list(folder.iterdir()) == []
    gunicorn_hooks.on_exit(None)
    assert not folder.exists()


def test_a_new_worker_finds_a_folder_that_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(METRICS, str(tmp_path / "removed" / "counters"))
    gunicorn_hooks.post_fork(None, None)
    assert (tmp_path / "removed" / "counters").is_dir()


def test_the_gauges_of_an_ended_worker_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[int] = []
    monkeypatch.setattr(prometheus_client.multiprocess, "mark_process_dead", dropped.append)
    gunicorn_hooks.child_exit(None, SimpleNamespace(pid=123))
    assert dropped == [123]


def test_a_worker_begins_with_its_application(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[object] = []
    monkeypatch.setattr(worker, "begin", begun.append)
    gunicorn_hooks.post_worker_init(SimpleNamespace(wsgi="application"))
    assert begun == ["application"]
