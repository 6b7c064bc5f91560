"""The fleet's figures are those of its ledger rows and heartbeats, computed here by hand."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from detection_api.canary.state.histogram import bin_of
from detection_api.canary.state.ledger import Tally
from detection_api.canary.state.types import Heartbeat, LedgerRow, Worker
from detection_api.schemas.monitoring import FleetMetricsSchema
from detection_api.services.metrics import summary

BUCKET = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
VIOLATION = "records.violation"
CAMERAS = "cameras.cameras"
RISING_MS = [1.1**n for n in range(100)]
"""Each a tenth longer than the one before: a percentile of the wrong rank is off by 10%."""


def row(endpoint: str, arm: str, tally: Tally, *, after: int = 0) -> LedgerRow:
    bucket = BUCKET + timedelta(seconds=after)
    return LedgerRow(bucket=bucket, endpoint=endpoint, arm=arm, tally=tally)


def worker(
    name: str,
    *,
    uptime: float,
    silent: float = 0.0,
    totals: Mapping[tuple[str, str], Tally] | None = None,
    vitals: Mapping[str, float] | None = None,
) -> Worker:
    heartbeat = Heartbeat(
        worker=name,
        uptime=uptime,
        epochs={VIOLATION: 3},
        totals=totals or {},
        vitals={"memory_bytes": 1e6} if vitals is None else vitals,
    )
    return Worker(heartbeat=heartbeat, silent=silent)


def took(*milliseconds: float) -> dict[int, int]:
    histogram: dict[int, int] = {}
    for ms in milliseconds:
        index = bin_of(ms / 1000)
        histogram[index] = histogram.get(index, 0) + 1
    return histogram


def answer(
    rows: Iterable[LedgerRow] = (),
    workers: Iterable[Worker] = (),
    connections: int | None = None,
) -> dict[str, Any]:
    found = summary(rows, workers, connections)
    assert FleetMetricsSchema().validate(found) == {}
    return found


def of_arm(period: Mapping[str, Any], endpoint: str, arm: str) -> dict[str, Any]:
    (found,) = (e for e in period["endpoints"] if (e["endpoint"], e["arm"]) == (endpoint, arm))
    assert isinstance(found, dict)
    return found


def test_an_empty_ledger_has_no_rates_and_no_percentiles_rather_than_good_ones() -> None:
    nothing: dict[str, Any] = {
        "requests": 0,
        "domain_share": None,
        "client_error_rate": None,
        "server_error_rate": None,
        "endpoints": [],
    }
    assert answer() == {
        "last_5_minutes": {"seconds": 300, "requests_per_second": 0, **nothing},
        "since_start": {"seconds": 0, "requests_per_second": None, **nothing},
        "workers": [],
        "memory_bytes": 0,
        "postgres_connections": None,
    }


def test_an_arm_without_requests_has_no_rates() -> None:
    period = answer([row(VIOLATION, "legacy", Tally(fallbacks=7))])["last_5_minutes"]
    found = of_arm(period, VIOLATION, "legacy")
    assert found["fallbacks"] == 7
    for figure in ("client_error_rate", "server_error_rate", "p50_ms", "p95_ms", "p99_ms"):
        assert found[figure] is None


def test_all_buckets_of_an_endpoint_and_arm_are_one_line() -> None:
    rows = [
        row(
            VIOLATION,
            "domain",
            Tally(
                requests=80,
                forced=5,
                errors=3,
                timeouts=2,
                violations=1,
                outages=1,
                client_errors=4,
                server_errors=1,
                compared=9,
                mismatched=2,
            ),
        ),
        row(VIOLATION, "domain", Tally(requests=40, errors=1, client_errors=2), after=10),
    ]
    found = of_arm(answer(rows)["last_5_minutes"], VIOLATION, "domain")
    assert {name: found[name] for name in found if not name.startswith("p")} == {
        "endpoint": VIOLATION,
        "arm": "domain",
        "requests": 120,
        "requests_per_second": 120 / 300,
        "client_error_rate": 6 / 120,
        "server_error_rate": 1 / 120,
        "failures": 7,
        "failures_by_cause": {"error": 4, "timeout": 2, "contract": 1, "death": 0},
        "fallbacks": 0,
        "outages": 1,
        "forced": 5,
        "compared": 9,
        "mismatched": 2,
    }


def test_a_period_is_over_all_endpoints_and_both_arms() -> None:
    rows = [
        row(VIOLATION, "domain", Tally(requests=60, client_errors=3)),
        row(CAMERAS, "legacy", Tally(requests=300, client_errors=6, server_errors=4)),
        row(CAMERAS, "domain", Tally(requests=40)),
    ]
    period = answer(rows)["last_5_minutes"]
    lines = [(line["endpoint"], line["arm"]) for line in period.pop("endpoints")]
    assert lines == [(CAMERAS, "domain"), (CAMERAS, "legacy"), (VIOLATION, "domain")]
    assert period == {
        "seconds": 300,
        "requests": 400,
        "requests_per_second": 400 / 300,
        "domain_share": 100 / 400,
        "client_error_rate": 9 / 400,
        "server_error_rate": 4 / 400,
    }


def test_percentiles_are_of_the_merged_durations_within_5_percent() -> None:
    """Neither bucket has these percentiles by itself, and their mean is something else."""
    rows = [
        row(VIOLATION, "domain", Tally(latency=took(*RISING_MS[:90]))),
        row(VIOLATION, "domain", Tally(latency=took(*RISING_MS[90:])), after=10),
    ]
    found = of_arm(answer(rows)["last_5_minutes"], VIOLATION, "domain")
    assert found["p50_ms"] == pytest.approx(RISING_MS[49], rel=0.05)
    assert found["p95_ms"] == pytest.approx(RISING_MS[94], rel=0.05)
    assert found["p99_ms"] == pytest.approx(RISING_MS[98], rel=0.05)


def test_since_start_is_what_all_workers_counted_since_the_oldest_started() -> None:
    key, other = (VIOLATION, "domain"), (VIOLATION, "legacy")
    workers = [
        worker(
            "b",
            uptime=90,
            silent=10,
            totals={key: Tally(requests=30, latency=took(10)), other: Tally(requests=20)},
        ),
        worker("a", uptime=50, silent=0.5, totals={key: Tally(requests=50, latency=took(30, 30))}),
    ]
    found = answer(workers=workers)
    period = found["since_start"]
    assert (period["seconds"], period["requests"], period["requests_per_second"]) == (100, 100, 1)
    assert period["domain_share"] == 0.8
    line = of_arm(period, *key)
    assert line["requests"] == 80
    assert line["p50_ms"] == pytest.approx(30, rel=0.05)
    assert found["last_5_minutes"]["requests"] == 0


def test_workers_are_described_and_their_memory_added_up() -> None:
    workers = [
        worker("b", uptime=7.25, silent=0.5, vitals={"memory_bytes": 3e7}),
        worker("a", uptime=60, silent=1, vitals={"memory_bytes": 5e7, "pool_domain_idle": 2}),
        worker("c", uptime=1, vitals={}),
    ]
    found = answer(workers=workers, connections=12)
    assert (found["memory_bytes"], found["postgres_connections"]) == (80_000_000, 12)
    assert [told["worker"] for told in found["workers"]] == ["a", "b", "c"]
    assert [told["memory_bytes"] for told in found["workers"]] == [50_000_000, 30_000_000, None]
    assert found["workers"][1] == {
        "worker": "b",
        "uptime_seconds": 7.25,
        "silent_seconds": 0.5,
        "memory_bytes": 30_000_000,
        "epochs": {VIOLATION: 3},
    }


def test_the_stores_own_counts_are_left_as_they_are() -> None:
    """The memory store hands out what it keeps."""
    mine = Tally(requests=1, latency=took(10))
    totals = {(VIOLATION, "domain"): mine}
    rows = [row(VIOLATION, "domain", mine), row(VIOLATION, "domain", Tally(requests=5), after=10)]
    workers = [worker("a", uptime=1, totals=totals), worker("b", uptime=1, totals=totals)]
    assert answer(rows, workers) == answer(rows, workers)
    assert mine == Tally(requests=1, latency=took(10))
