"""A worker that dies in a call of the domain is that endpoint's failure."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from detection_api.canary.fleet.runtime import HostApplication, Runtime
from detection_api.canary.serving.settings import CanarySettings
from detection_api.canary.state.memory import MemoryStore
from detection_api.canary.state.types import EventKind, RolloutState, Status
from tests.canary.stores import ALL, summed

ENDPOINT = "items.item"
DIE = f"""
import os, sys
from pathlib import Path
from detection_api.canary.serving.calls import Calls
Calls(("{ENDPOINT}",), Path(sys.argv[1])).enter("{ENDPOINT}")
os._exit(0)
"""


def die(folder: Path, times: int = 1) -> None:
    """Have processes die in a call of the domain."""
    for _ in range(times):
        subprocess.run([sys.executable, "-c", DIE, folder], check=True)


def survivor(store: MemoryStore, folder: Path | None) -> Runtime:
    return Runtime(
        CanarySettings.from_environ({}),
        store,
        HostApplication(endpoints=(ENDPOINT,), calls_folder=folder),
        is_alone=True,
    )


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.write(RolloutState(endpoint=ENDPOINT, percent=100), EventKind.SET, {})
    return store


def counts(store: MemoryStore) -> Mapping[str, Any]:
    tally = summed(store.ledger(ALL))[ENDPOINT, "domain"]
    return {"deaths": tally.deaths, "bad": tally.bad, "failures": tally.failures["death"]}


def test_a_survivor_counts_a_death_once(store: MemoryStore, tmp_path: Path) -> None:
    first, second = survivor(store, tmp_path), survivor(store, tmp_path)
    die(tmp_path)
    for runtime in (first, second, first):
        runtime.link.step()
    assert counts(store) == {"deaths": 1, "bad": 1, "failures": 1}


def test_the_next_worker_counts_the_death_of_the_only_one(
    store: MemoryStore, tmp_path: Path
) -> None:
    die(tmp_path)
    survivor(store, tmp_path)
    assert counts(store)["deaths"] == 1


def test_seven_deaths_in_a_row_roll_back(store: MemoryStore, tmp_path: Path) -> None:
    runtime = survivor(store, tmp_path)
    die(tmp_path, times=7)
    runtime.link.step()
    runtime.link.step()
    assert store.read().states[ENDPOINT].status is Status.ROLLED_BACK


def test_living_workers_are_no_deaths(store: MemoryStore, tmp_path: Path) -> None:
    workers = [survivor(store, tmp_path) for _ in range(3)]
    workers[0]._calls.enter(ENDPOINT)
    for runtime in workers:
        runtime.link.step()
    assert (ENDPOINT, "domain") not in summed(store.ledger(ALL))


def test_without_a_folder_there_is_nothing_to_find(store: MemoryStore) -> None:
    survivor(store, None).link.step()
    assert os.environ.get("PROMETHEUS_MULTIPROC_DIR") is None
    assert (ENDPOINT, "domain") not in summed(store.ledger(ALL))
