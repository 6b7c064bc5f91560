"""Load on a server, by wrk, and what it measured."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 16
THREADS = 2
PATIENCE = 60
"""Seconds that an answer may take."""
SCRIPT = Path(__file__).with_name("load.lua")


class LoadError(Exception):
    """There is no load, or what it met was not the answers it asked for."""


@dataclass(frozen=True, slots=True)
class Load:
    """One turn: answers a second, and how long they took, in ms."""

    requests_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


def require_wrk() -> None:
    """Raise LoadError, which says what to install, unless wrk is there."""
    if shutil.which("wrk") is None:
        raise LoadError("wrk makes the load and is missing; install it: apt-get install wrk")


def ask(port: int, paths: Sequence[str], seconds: int) -> Load:
    """Keep CONNECTIONS clients busy with `paths` in turns, and measure.

    Raises LoadError when any answer is not a 2xx, or a connection breaks. Where nothing is answered
    in so many seconds everything is 0.
    """
    done = subprocess.run(
        [
            *("wrk", f"-t{THREADS}", f"-c{CONNECTIONS}", f"-d{seconds}s", f"--timeout={PATIENCE}s"),
            *("-s", str(SCRIPT), f"http://127.0.0.1:{port}", "--", *paths),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    told = json.loads(done.stdout.strip().splitlines()[-1])
    if told["refused"] or told["broken"]:
        raise LoadError(
            f"{paths[0]}: {told['requests']} answers, {told['refused']} of them errors,"
            f" {told['broken']} connections broken"
        )
    rate = told["requests"] / told["seconds"]
    return Load(rate, told["p50_ms"], told["p95_ms"], told["p99_ms"])
