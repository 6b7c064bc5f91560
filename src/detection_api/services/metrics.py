"""The metrics of the whole fleet, from the ledger and the heartbeats in the store."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import column, func, select, table

from detection_api.canary.state import Arm, Key, LedgerRow, Store, Tally, Worker, percentile
from detection_api.db import UNAVAILABLE, Query
from detection_api.extensions import primary
from detection_api.telemetry.process_metrics import MEMORY_BYTES

log = structlog.get_logger(__name__)

RECENT = timedelta(minutes=5)

CONNECTIONS = Query(
    "metrics_connections",
    select(func.count().label("connections"))
    .select_from(table("pg_stat_activity"))
    .where(column("datname") == func.current_database()),
)


def fleet_metrics(store: Store) -> dict[str, Any]:
    """Return the metrics of all workers, recent and since their start; see FleetMetricsSchema.

    Raises one of UNAVAILABLE if the store is away.
    """
    return summary(store.ledger(RECENT), store.workers(), postgres_connections())


def postgres_connections() -> int | None:
    """Return the number of connections to this database; None if PostgreSQL does not answer."""
    try:
        count: int = primary.rows(CONNECTIONS)[0]["connections"]
    except UNAVAILABLE as error:
        log.warning("connections_not_counted", error=str(error))
        return None
    return count


def summary(
    rows: Iterable[LedgerRow], workers: Iterable[Worker], connections: int | None
) -> dict[str, Any]:
    """Return FleetMetricsSchema from the recent ledger `rows` and the live `workers`."""
    workers = sorted(workers, key=lambda worker: worker.heartbeat.worker)
    recent = (((row.endpoint, row.arm), row.tally) for row in rows)
    totals = (total for worker in workers for total in worker.heartbeat.totals.items())
    since_start = max((w.heartbeat.uptime + w.silent for w in workers), default=0.0)
    described = [_worker(worker) for worker in workers]
    return {
        "last_5_minutes": period(recent, RECENT.total_seconds()),
        "since_start": period(totals, since_start),
        "workers": described,
        "memory_bytes": sum(worker["memory_bytes"] or 0 for worker in described),
        "postgres_connections": connections,
    }


def period(tallies: Iterable[tuple[Key, Tally]], seconds: float) -> dict[str, Any]:
    """Return PeriodMetricsSchema from the tallies by endpoint and arm of a period of `seconds`."""
    merged: defaultdict[Key, Tally] = defaultdict(Tally)
    every = Tally()
    for key, tally in tallies:
        merged[key].add(tally)
        every.add(tally)
    domain = sum(tally.requests for (_, arm), tally in merged.items() if arm == Arm.DOMAIN.value)
    return {
        "seconds": round(seconds, 3),
        **_traffic(every, seconds),
        "domain_share": _ratio(domain, every.requests),
        "endpoints": [
            {"endpoint": endpoint, "arm": arm, **_endpoint(merged[endpoint, arm], seconds)}
            for endpoint, arm in sorted(merged)
        ],
    }


def _endpoint(tally: Tally, seconds: float) -> dict[str, Any]:
    return {
        **_traffic(tally, seconds),
        "p50_ms": _milliseconds(tally.latency, 50),
        "p95_ms": _milliseconds(tally.latency, 95),
        "p99_ms": _milliseconds(tally.latency, 99),
        "failures": sum(tally.failures.values()),
        "failures_by_cause": tally.failures,
        "fallbacks": tally.fallbacks,
        "outages": tally.outages,
        "forced": tally.forced,
        "compared": tally.compared,
        "mismatched": tally.mismatched,
    }


def _traffic(tally: Tally, seconds: float) -> dict[str, Any]:
    return {
        "requests": tally.requests,
        "requests_per_second": _ratio(tally.requests, seconds),
        "client_error_rate": _ratio(tally.client_errors, tally.requests),
        "server_error_rate": _ratio(tally.server_errors, tally.requests),
    }


def _worker(worker: Worker) -> dict[str, Any]:
    heartbeat = worker.heartbeat
    memory = heartbeat.vitals.get(MEMORY_BYTES)
    return {
        "worker": heartbeat.worker,
        "uptime_seconds": round(heartbeat.uptime, 3),
        "silent_seconds": round(worker.silent, 3),
        "memory_bytes": None if memory is None else int(memory),
        "epochs": dict(heartbeat.epochs),
    }


def _ratio(count: int, total: float) -> float | None:
    """Return `count / total`; None if `total` is 0, because no evidence is not good evidence."""
    return count / total if total else None


def _milliseconds(latency: Mapping[int, int], percent: float) -> float | None:
    seconds = percentile(latency, percent)
    return None if seconds is None else round(seconds * 1000, 3)
