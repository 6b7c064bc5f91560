"""Measures this process: its memory, and the connections in its pools.

The canary's heartbeat sends the values to the fleet; Prometheus reads them as gauges.
"""

import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import Gauge

from detection_api.db import Pool

MEMORY_BYTES = "memory_bytes"
"""The name of the resident memory among `vitals`."""

_STATM = Path("/proc/self/statm")

_MEMORY = Gauge(
    "detection_api_memory_bytes",
    "Resident memory of each worker.",
    multiprocess_mode="liveall",
)
_CONNECTIONS = Gauge(
    "detection_api_pool_connections",
    "PostgreSQL connections in the workers' pools, by what is done with them (in_use, idle).",
    ["pool", "state"],
    multiprocess_mode="livesum",
)

_pools: dict[str, Pool] = {}


def watch(name: str, pool: Pool) -> None:
    """Include `pool` in `vitals` from now on, in place of an earlier pool of that name."""
    _pools[name] = pool


def measure() -> Mapping[str, float]:
    """Return `memory_bytes`, and `pool_<name>_in_use` and `pool_<name>_idle` for each pool.

    Also sets the gauges, so they are as fresh as the last call.
    """
    measured: dict[str, float] = {MEMORY_BYTES: resident_bytes()}
    _MEMORY.set(measured[MEMORY_BYTES])
    for name, pool in list(_pools.items()):
        for state, count in zip(("in_use", "idle"), pool.usage(), strict=True):
            measured[f"pool_{name}_{state}"] = count
            _CONNECTIONS.labels(name, state).set(count)
    return measured


def resident_bytes() -> int:
    """Return this process's resident memory; its peak on a system without /proc."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except FileNotFoundError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")
