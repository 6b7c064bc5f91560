"""Measure `detection-api ingest events` on a backlog, and its effect on reads.

The command is stopped and continued (SIGSTOP, SIGCONT), so reads with it and reads without it take
turns on the same server.
"""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
from psycopg2 import extensions

from benchmarks import results
from benchmarks.load import Load, LoadError
from benchmarks.options import Options
from benchmarks.report import show
from benchmarks.results import Result
from benchmarks.stage import EVERYTHING, Server, Stage
from benchmarks.subjects import CANARY
from benchmarks.world import CAMERAS, COMMAND, TYPES


@dataclass(slots=True)
class Turns:
    """Loads of reads alone and beside ingestion; ingested lines, and the seconds it took."""

    alone: list[Load] = field(default_factory=list)
    beside: list[Load] = field(default_factory=list)
    lines: int = 0
    seconds: float = 0.0


def run(stage: Stage, options: Options) -> Iterator[Result]:
    """Ingest a backlog into a world that is read; print and yield the results."""
    world = stage.world(options.world)
    lines, seconds, rows = options.lines, options.seconds, options.world
    log = stage.folder / "backlog.jsonl"
    _write(log, lines)
    with (
        stage.serving(CANARY, world) as server,
        closing(psycopg2.connect(world.environ["DATABASE_URL"])) as connection,
    ):
        connection.autocommit = True
        turns = _take_turns(server.with_all_endpoints(), connection, log, world.environ, seconds)
    if not turns.lines:
        raise LoadError(f"the ingestion of {lines:,} lines is too short to be measured")
    runs = len(turns.beside)
    rate = round(turns.lines / turns.seconds, 3)
    measured = [
        Result.of("reads", CANARY.server, EVERYTHING, rows, turns.alone),
        Result.of("reads-beside-ingestion", CANARY.server, EVERYTHING, rows, turns.beside),
        Result("ingestion", "detection-api", "ingest events", rows, rate, 0.0, 0.0, 0.0, runs),
    ]
    show(f"ingestion of {lines:,} lines into {rows:,} rows, {runs} turns of {seconds} s")
    for result in measured:
        show(str(result))
        yield result
    share = results.ratio(turns.beside, turns.alone, "p99_ms")
    show(f"  {rate:,.0f} lines/s; P99 of reads during ingestion: {share:.2f}x")


def _take_turns(
    server: Server,
    connection: extensions.connection,
    log: Path,
    environ: dict[str, str],
    seconds: int,
) -> Turns:
    """Measure all endpoints in turns until the log is ingested; leave out the last turn."""
    server.measure(EVERYTHING, seconds)
    turns = Turns()
    command = subprocess.Popen(
        [COMMAND, "ingest", "events", log],
        env=environ,
        stdout=subprocess.DEVNULL,  # its rate would include the stopped time
        stderr=subprocess.DEVNULL,
    )
    while not _lines_read(connection, log):
        time.sleep(0.05)
    while True:
        command.send_signal(signal.SIGSTOP)
        alone = server.measure(EVERYTHING, seconds)
        before, started = _lines_read(connection, log), time.perf_counter()
        command.send_signal(signal.SIGCONT)
        beside = server.measure(EVERYTHING, seconds)
        if command.poll() is not None:
            return turns
        turns.lines += _lines_read(connection, log) - before
        turns.seconds += time.perf_counter() - started
        turns.alone.append(alone)
        turns.beside.append(beside)


def _lines_read(connection: extensions.connection, log: Path) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(lines) FROM ingest_checkpoints WHERE log = %s", [str(log)])
        return int(cursor.fetchall()[0][0] or 0)


def _write(log: Path, lines: int) -> None:
    """Write lines of the last days, one every half second, of all cameras and types."""
    first = time.time() - lines / 2
    with log.open("w") as stream:
        for number in range(lines):
            event = {
                "ts": first + number / 2,
                "type": TYPES[number % len(TYPES)],
                "camera_id": CAMERAS[number // 3 % len(CAMERAS)],
                "track_id": number % 1000,
                "evidence": {"confidence": 0.91, "region": "sink", "bbox": [1, 2, 3, 4]},
            }
            stream.write(json.dumps(event) + "\n")
