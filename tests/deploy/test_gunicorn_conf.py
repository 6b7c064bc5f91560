"""gunicorn.conf.py loads nothing of the application, and a HUP brings new code."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import detection_api
from detection_api.server import counters, gunicorn_hooks, gunicorn_workers

CONFIGURATION = Path(__file__).parents[2] / "gunicorn.conf.py"
LOADED_BY_THE_MASTER = {
    "detection_api",
    "detection_api.server",
    *(module.__name__ for module in (counters, gunicorn_hooks, gunicorn_workers)),
}
LIST_MODULES = f"""
import json, runpy, sys
runpy.run_path({str(CONFIGURATION)!r})["on_exit"](None)
print(json.dumps(sorted(sys.modules)))
"""


def test_the_master_loads_nothing_that_a_hup_could_not_renew() -> None:
    listed = subprocess.check_output([sys.executable, "-c", LIST_MODULES], text=True)
    modules = json.loads(listed)
    assert {name for name in modules if name.startswith("detection_api")} == LOADED_BY_THE_MASTER
    assert not {"flask", "prometheus_client", "sqlalchemy"} & set(modules)


def test_reading_the_settings_again_renews_all_that_the_master_has_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(gunicorn_hooks.OWNER, str(os.getpid()))
    monkeypatch.setenv(counters.METRICS, "kept")
    before = [detection_api.create_app, counters.ensure_folder, gunicorn_hooks.on_exit]
    worker_before = gunicorn_workers.FairWorker
    settings = runpy.run_path(str(CONFIGURATION))
    after = [detection_api.create_app, counters.ensure_folder, gunicorn_hooks.on_exit]
    assert all(new is not old for new, old in zip(after, before, strict=True))
    assert settings["worker_class"] is gunicorn_workers.FairWorker is not worker_before
    assert os.environ[counters.METRICS] == "kept"


@pytest.mark.parametrize(("threads", "name"), [("1", "LoneWorker"), ("4", "FairWorker")])
def test_the_number_of_threads_decides_on_the_kind_of_worker(
    monkeypatch: pytest.MonkeyPatch, threads: str, name: str
) -> None:
    monkeypatch.setenv(gunicorn_hooks.OWNER, str(os.getpid()))
    monkeypatch.setenv(counters.METRICS, "kept")
    monkeypatch.setenv("THREADS", threads)
    assert runpy.run_path(str(CONFIGURATION))["worker_class"].__name__ == name
