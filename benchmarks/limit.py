"""`limit`: what PostgreSQL does by itself, by pgbench over the services' own statements.

The statements are those that the services run for default parameters, as the project compiled
them, prepared once a connection; nothing is decoded, checked or encoded.
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
"""The services' own, as libpq's options."""


class Limit:
    """pgbench against a world's database; its scripts and logs are in `folder`."""

    def __init__(self, pgbench: Path, world: World, folder: Path) -> None:
        self._pgbench = pgbench
        self._url = world.environ["DATABASE_URL"]
        self._folder = folder / "pgbench"
        self._folder.mkdir()
        self.statements = {
            endpoint: statement(*_captured(call)) for endpoint, call in _calls(world).items()
        }

    def ask(self, endpoint: str, seconds: int) -> Load:
        """Run the endpoint's statement over CONNECTIONS connections; raises LoadError."""
        text, variables = self.statements[endpoint]
        script, log = self._folder / "script.sql", self._folder / "log"
        script.write_text(text)
        done = subprocess.run(
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
        rate = re.search(r"tps = ([\d.]+) \(without", done.stdout)
        if done.returncode or rate is None:
            raise LoadError(f"pgbench failed: {done.stderr[-500:]}")
        cuts = quantiles(self._latencies(), n=100)
        return Load(float(rate[1]), cuts[49], cuts[94], cuts[98])

    def _latencies(self) -> list[float]:
        """What the last run logged, in ms."""
        found = []
        for part in self._folder.glob("log.*"):
            found += [int(line.split()[2]) / 1000 for line in part.read_text().splitlines()]
            part.unlink()
        return found


def statement(query: Query, parameters: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """`query` as a pgbench script, and the variables that it needs."""
    prepared = re.fullmatch(r"PREPARE \w+ (?:\((.*?)\))? AS (.*)", query.prepare, re.DOTALL)
    assert prepared is not None
    types = prepared[1].split(", ") if prepared[1] else []
    given = {**query.constants, **parameters}
    values = {f"p{n}": given[name] for n, name in enumerate(query.parameters, start=1)}
    given_values = {name: str(value) for name, value in values.items() if value is not None}

    def placeholder(mark: re.Match[str]) -> str:
        name = f"p{mark[1]}"
        value = f":{name}" if name in given_values else "NULL"  # pgbench has no null of its own
        return f"CAST({value} AS {types[int(mark[1]) - 1]})"

    return re.sub(r"\$(\d+)", placeholder, prepared[2]) + ";\n", given_values


def _calls(world: World) -> Mapping[str, Callable[[], Any]]:
    """The services as their routes call them for default parameters."""
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
    """A service has told what it would read."""


def _captured(call: Callable[[], Any]) -> tuple[Query, Mapping[str, Any]]:
    """The statement that a service runs, and its parameters; a service runs one."""
    captured: list[tuple[Query, Mapping[str, Any]]] = []

    def rows(query: Query, **parameters: Any) -> list[Any]:
        captured.append((query, parameters))
        raise _CapturedError

    with patch.object(reader, "rows", rows), suppress(_CapturedError):
        call()
    return captured[0]
