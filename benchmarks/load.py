"""Load a server with wrk, and measure it."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 16
THREADS = 2
PATIENCE = 60
"""Time limit of an answer, in seconds."""
SCRIPT = Path(__file__).with_name("load.lua")


class LoadError(Exception):
    """The load failed, or met errors."""


@dataclass(frozen=True, slots=True)
class Load:
    """The result of one turn: answers per second, and percentiles of their duration in ms."""

    requests_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


def require_wrk() -> None:
    """Raise LoadError if wrk is not installed."""
    if shutil.which("wrk") is None:
        raise LoadError("wrk is not installed: apt-get install wrk")


def measure(port: int, paths: Sequence[str], seconds: int) -> Load:
    """Send requests for `paths` in turns over CONNECTIONS connections, and measure.

    Raises LoadError if an answer is not a 2xx, or if a connection breaks. All figures are 0 if
    there is no answer.
    """
    result = subprocess.run(
        [
            *("wrk", f"-t{THREADS}", f"-c{CONNECTIONS}", f"-d{seconds}s", f"--timeout={PATIENCE}s"),
            *("-s", str(SCRIPT), f"http://127.0.0.1:{port}", "--", *paths),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    figures = json.loads(result.stdout.strip().splitlines()[-1])
    if figures["refused"] or figures["broken"]:
        raise LoadError(
            f"{paths[0]}: {figures['requests']} answers, {figures['refused']} of them errors,"
            f" {figures['broken']} connections broken"
        )
    rate = figures["requests"] / figures["seconds"]
    return Load(rate, figures["p50_ms"], figures["p95_ms"], figures["p99_ms"])
