"""A process knows its memory and its connections, and tells the fleet and Prometheus."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, multiprocess

from detection_api.db.pool import READ_ONLY, Pool
from detection_api.telemetry import process_metrics

MEGABYTE = 1 << 20

WORKER = """
import sys
from detection_api.telemetry import process_metrics
from detection_api.db.pool import READ_ONLY, Pool

pool = Pool(sys.argv[1], size=2, deadline=5, name="worker under test", settings=READ_ONLY)
process_metrics.watch("domain", pool)
with pool.connection():
    process_metrics.measure()
print("measured", flush=True)
sys.stdin.read()
"""
"""A worker that measures itself with one connection in use, and lives until stdin ends."""


@pytest.fixture(autouse=True)
def _no_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_metrics, "_pools", {})


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    pool = Pool(database_url, size=2, deadline=5, name="pool under test", settings=READ_ONLY)
    yield pool
    pool.dispose()


def told_by_the_system(name: str) -> int:
    """A figure of /proc/self/status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


def test_memory_is_what_the_system_says_is_resident() -> None:
    assert process_metrics.resident_bytes() == pytest.approx(told_by_the_system("VmRSS"), rel=0.1)


def test_memory_grows_with_what_is_held() -> None:
    before = process_metrics.measure()["memory_bytes"]
    held = b"x" * (64 * MEGABYTE)
    grown = process_metrics.measure()["memory_bytes"] - before
    assert len(held) == 64 * MEGABYTE
    assert grown == pytest.approx(64 * MEGABYTE, rel=0.1)


def test_without_proc_memory_is_the_peak(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process_metrics, "_STATM", tmp_path / "statm")
    assert process_metrics.resident_bytes() == pytest.approx(told_by_the_system("VmHWM"), rel=0.1)


def test_connections_are_told_by_pool_and_use(pool: Pool) -> None:
    def connections() -> tuple[float, float]:
        measured = process_metrics.measure()
        return measured["pool_domain_in_use"], measured["pool_domain_idle"]

    process_metrics.watch("domain", pool)
    assert connections() == (0, 0)
    with pool.connection():
        assert connections() == (1, 0)
        with pool.connection():
            assert connections() == (2, 0)
        assert connections() == (1, 1)
    assert connections() == (0, 2)


def test_a_pool_takes_the_place_of_an_earlier_one_of_its_name(
    pool: Pool, database_url: str
) -> None:
    other = Pool(database_url, size=1, deadline=5, name="another", settings=READ_ONLY)
    process_metrics.watch("legacy", pool)
    process_metrics.watch("legacy", other)
    with pool.connection():
        assert process_metrics.measure()["pool_legacy_in_use"] == 0


def test_prometheus_has_what_was_last_measured(pool: Pool) -> None:
    process_metrics.watch("canary", pool)
    with pool.connection():
        measured = process_metrics.measure()
    in_use = {"pool": "canary", "state": "in_use"}
    assert REGISTRY.get_sample_value("detection_api_memory_bytes") == measured["memory_bytes"]
    assert REGISTRY.get_sample_value("detection_api_pool_connections", in_use) == 1


def test_prometheus_has_each_live_workers_memory_and_the_sum_of_their_connections(
    database_url: str, tmp_path: Path
) -> None:
    def worker() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, database_url],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "measured\n"
        return process

    def seen() -> tuple[set[str], float | None]:
        """Process ids whose memory is known, and connections in use."""
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry, path=str(tmp_path))
        samples = [s for metric in registry.collect() for s in metric.samples]
        memory = {s.labels["pid"]: s.value for s in samples if s.name.endswith("memory_bytes")}
        assert all(value > MEGABYTE for value in memory.values())
        in_use = {"pool": "domain", "state": "in_use"}
        return set(memory), registry.get_sample_value("detection_api_pool_connections", in_use)

    first, second = worker(), worker()
    assert seen() == ({str(first.pid), str(second.pid)}, 2)
    first.communicate()
    multiprocess.mark_process_dead(first.pid, str(tmp_path))
    assert seen() == ({str(second.pid)}, 1)
    second.communicate()
