"""`limit`: the limit of PostgreSQL, measured by pgbench with the statements of the services.

The statements are compiled by this project for default parameters, and prepared once per
connection. Nothing is decoded, checked or encoded.
"""

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Any
from unittest.mock import patch

from benchmarks.load import CONNECTIONS, THREADS, Load, LoadError
from benchmarks.world import CAMERAS, World
from detection_api.db import READ_ONLY, Query
from detection_api.extensions import reader
from detection_api.schemas.cameras import CamerasQuerySchema, CameraStatsPathSchema
from detection_api.schemas.records import PageQuerySchema, ViolationPathSchema
from detection_api.schemas.statistics import DailyQuerySchema, EventsQuerySchema, HistoryQuerySchema
from detection_api.services import cameras, records, statistics

_SETTINGS = " ".join(f"-c {name}={value}" for name, value in READ_ONLY.items())
"""The session settings of the services, as libpq options."""


class Limit:
    """Runs pgbench on the database of a world; its scripts and logs are in `folder`."""

    def __init__(self, pgbench: Path, world: World, folder: Path) -> None:
        self._pgbench = pgbench
        self._url = world.environ["DATABASE_URL"]
        self._folder = folder / "pgbench"
        self._folder.mkdir()
        self.statements = {
            endpoint: statement(*_captured(call)) for endpoint, call in _calls(world).items()
        }

    def measure(self, endpoint: str, seconds: int) -> Load:
        """Run the statement of the endpoint over CONNECTIONS connections; raises LoadError."""
        text, variables = self.statements[endpoint]
        script, log = self._folder / "script.sql", self._folder / "log"
        script.write_text(text)
        result = subprocess.run(
            [
                *(self._pgbench, "--no-vacuum", "--protocol=prepared", f"--client={CONNECTIONS}"),
                *(f"--jobs={THREADS}", f"--time={seconds}", f"--file={script}"),
                *(f"--define={name}={value}" for name, value in variables.items()),
                *("--log", f"--log-prefix={log}", self._url),
            ],
            env={**os.environ, "PGOPTIONS": _SETTINGS},
            check=False,
            capture_output=True,
            text=True,
        )
        rate = re.search(r"tps = ([\d.]+) \(without", result.stdout)
        if result.returncode or rate is None:
            raise LoadError(f"pgbench failed: {result.stderr[-500:]}")
        cuts = quantiles(self._latencies(), n=100)
        return Load(float(rate[1]), cuts[49], cuts[94], cuts[98])

    def _latencies(self) -> list[float]:
        """Return the latencies that the last run logged, in ms, and delete its logs."""
        latencies = []
        for part in self._folder.glob("log.*"):
            latencies += [int(line.split()[2]) / 1000 for line in part.read_text().splitlines()]
            part.unlink()
        return latencies


def statement(query: Query, parameters: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return `query` as a pgbench script, and its variables."""
    prepared = re.fullmatch(r"PREPARE \w+ (?:\((.*?)\))? AS (.*)", query.prepare, re.DOTALL)
    assert prepared is not None
    types = prepared[1].split(", ") if prepared[1] else []
    arguments = {**query.constants, **parameters}
    values = {f"p{n}": arguments[name] for n, name in enumerate(query.parameters, start=1)}
    not_null = {name: str(value) for name, value in values.items() if value is not None}

    def placeholder(mark: re.Match[str]) -> str:
        name = f"p{mark[1]}"
        value = f":{name}" if name in not_null else "NULL"  # pgbench variables cannot be null
        return f"CAST({value} AS {types[int(mark[1]) - 1]})"

    return re.sub(r"\$(\d+)", placeholder, prepared[2]) + ";\n", not_null


def _calls(world: World) -> Mapping[str, Callable[[], Any]]:
    """Return the calls of the services with default parameters, by endpoint."""
    camera: dict[str, Any] = {"camera_id": CAMERAS[1]}
    violation = {"violation_id": str(world.last_violation)}
    return {
        "records.detection_records": partial(
            records.detection_records, **camera, **PageQuerySchema().load({})
        ),
        "records.violation": partial(records.violation, **ViolationPathSchema().load(violation)),
        "statistics.daily": partial(statistics.daily, **DailyQuerySchema().load({})),
        "statistics.events": partial(statistics.events, **EventsQuerySchema().load({})),
        "statistics.history": partial(statistics.history, **HistoryQuerySchema().load({})),
        "cameras.cameras": partial(cameras.cameras, **CamerasQuerySchema().load({})),
        "cameras.camera_stats": partial(
            cameras.camera_stats, **CameraStatsPathSchema().load(camera)
        ),
    }


class _CapturedError(Exception):
    """The query of a service was captured."""


def _captured(call: Callable[[], Any]) -> tuple[Query, Mapping[str, Any]]:
    """Return the first query of a service and its parameters."""
    captured: list[tuple[Query, Mapping[str, Any]]] = []

    def rows(query: Query, **parameters: Any) -> list[Any]:
        captured.append((query, parameters))
        raise _CapturedError

    with patch.object(reader, "rows", rows), suppress(_CapturedError):
        call()
    return captured[0]
