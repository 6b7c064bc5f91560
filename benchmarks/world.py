"""Build a world: a year of a factory in its own database, written by the writers of the project.

The last week of every world has enough data to fill the answer of every endpoint with default
parameters. So the answers over 10 thousand and over 10 million rows have the same size.
"""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random

import click
import psycopg2
import yaml
from psycopg2 import extensions, sql
from psycopg2.extras import Json, execute_values

from detection_api.db import partitions
from detection_api.ingest.event_lines import Parsed, ParsedEvent
from detection_api.ingest.event_writer import EventWriter
from detection_api.ingest.log_file import LogPosition
from detection_api.models.records import VIOLATION_TYPES

COMMAND = Path(sys.executable).parent / "detection-api"
CAMERAS = tuple(f"cam{number}" for number in range(10))
TYPES = (
    *("PERSON_ENTERED", "PERSON_LEFT", "HANDWASH_STARTED", "HANDWASH_COMPLETED"),
    *("SANITIZE", "NO_HANDWASH", "NO_HAIRNET_AT_SINK", "NO_SANITIZE"),
)
BUSY_CAMERA = 0.25
"""The share of the first camera in all data, so its history has many pages."""
YEAR = timedelta(days=365)
RECENT = ((timedelta(days=7), 3000), (timedelta(hours=5), 3000))
"""Periods before now with additional rows; the other rows spread evenly over the year."""
TAIL = 250_000
"""Number of lines in the event log; legacy reads at most the newest 200,000."""
STATISTICS_AT = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
"""The time of the latest statistics of every camera; too old for a running detector."""
STATISTICS_MESSAGES = tuple(
    json.dumps(
        {
            "type": "stats",
            "camera_id": camera,
            "timestamp": STATISTICS_AT.timestamp(),
            "data": {
                "total_frames": 9000,
                "processed_frames": 9000,
                "persons": 2,
                "hairnets": 1,
                "handwash": 0,
                "fps": 24.8,
                "avg_detection_time": 0.021,
            },
        }
    )
    for camera in CAMERAS
)
VIOLATIONS = 2000
NEWEST_VIOLATIONS = 1000
BATCH = 50_000

_RECORDS = (
    "COPY detection_records (timestamp, camera_id, frame_number, person_count,"
    " hairnet_violations, handwash_events, sanitize_events, fps, processing_time) FROM STDIN"
)

_VIOLATIONS = (
    "INSERT INTO violation_events (camera_id, timestamp, violation_type, track_id, confidence,"
    " snapshot_path, bbox) VALUES %s"
)


@dataclass(frozen=True, slots=True)
class World:
    """A database and files with `rows` detection records and as many events."""

    rows: int
    environ: dict[str, str]
    last_violation: int


def build(server_url: str, folder: Path, rows: int, redis_url: str) -> World:
    """Build a world on the server, in about a minute per million rows."""
    name = f"world_{rows}"
    with closing(psycopg2.connect(server_url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = server_url.replace("/postgres?", f"/{name}?", 1)
    environ = {
        "DATABASE_URL": url,
        "REDIS_URL": redis_url,
        "EVENTS_LOG": str(folder / f"{name}.jsonl"),
        "CAMERAS_FILE": str(folder / "cameras.yaml"),
        "ENV_FILE": str(folder / "none.env"),
    }
    _run(environ, "db", "upgrade")
    _write_cameras(Path(environ["CAMERAS_FILE"]))
    _run(environ, "ingest", "cameras", environ["CAMERAS_FILE"])
    with closing(psycopg2.connect(url, options="-c TimeZone=UTC")) as connection:
        connection.autocommit = True
        last_violation = _fill(connection, rows, Path(environ["EVENTS_LOG"]))
    return World(rows, environ, last_violation)


def moments(rows: int, now: datetime) -> Iterator[float]:
    """Yield the epoch seconds of `rows` rows before `now`, oldest first."""
    end = now.timestamp()
    stretches = sorted(
        [(end - YEAR.total_seconds(), rows - sum(count for _, count in RECENT))]
        + [(end - span.total_seconds(), count) for span, count in RECENT]
    )
    rate = 0.0
    for (start, count), (until, _) in zip(stretches, [*stretches[1:], (end, 0)], strict=True):
        rate += count / (end - start)
        for number in range(round((until - start) * rate)):
            yield start + number / rate


def _run(environ: dict[str, str], *arguments: str) -> None:
    """Run the command; raises RuntimeError with its output if it fails."""
    command = [str(COMMAND), *arguments]
    result = subprocess.run(command, env=environ, check=False, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stdout}{result.stderr}")


def _write_cameras(path: Path) -> None:
    cameras = [
        {
            "id": camera,
            "name": f"Line {number}",
            "source": f"rtsp://camera-{number}/stream",
            "location": "Hall 1",
            "resolution": "1920x1080",
            "fps": 25.0,
        }
        for number, camera in enumerate(CAMERAS)
    ]
    path.write_text(yaml.safe_dump({"cameras": cameras}))


def _fill(connection: extensions.connection, rows: int, log: Path) -> int:
    """Write all rows; return the id of the last violation."""
    now = datetime.now(UTC)
    first = partitions.month_of(now - YEAR)
    for months in range(14):
        for table in partitions.TABLES:
            partitions.create(connection, table, partitions.shift(first, months))
    with click.progressbar(length=2 * rows, label=f"a world of {rows:,} rows") as bar:
        for written in _write_events(connection, rows, now, log):
            bar.update(written)
        for written in _write_records(connection, rows, now):
            bar.update(written)
    _write_violations(connection, now)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO camera_statistics SELECT id, %s, 9000, 9000, 2, 1, 0, 24.8, 0.021"
            " FROM cameras",
            [STATISTICS_AT],
        )
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("SELECT max(id) FROM violation_events")
        ((last,),) = cursor.fetchall()
    return int(last)


def _camera(random: Random) -> str:
    return CAMERAS[0] if random.random() < BUSY_CAMERA else random.choice(CAMERAS[1:])


def _write_events(
    connection: extensions.connection, rows: int, now: datetime, log: Path
) -> Iterator[int]:
    """Write events with the writer of ingestion; write the newest to the log, too."""
    writer, random = EventWriter(connection, str(log)), Random(1)
    events = (_event(random, number, ts) for number, ts in enumerate(moments(rows, now)))
    written = 0
    with log.open("wb") as tail:
        while batch := list(islice(events, BATCH)):
            parsed = Parsed(size=0, lines=len(batch), events=batch)
            writer.write(parsed, LogPosition(0, 0, "", written), now)
            written += len(batch)
            if written > rows - TAIL:
                tail.writelines(map(_line, batch))
            yield len(batch)


def _event(random: Random, number: int, ts: float) -> ParsedEvent:
    confidence = round(0.55 + random.random() * 0.44, 3)
    return ParsedEvent(
        timestamp=datetime.fromtimestamp(ts, UTC),
        ts=ts,
        type=TYPES[int(random.random() * len(TYPES))],
        camera_id=_camera(random),
        track_id=number % 1000,
        confidence=confidence,
        region="sink",
        evidence=b'{"confidence":%r,"region":"sink","bbox":[412,220,96,180]}' % confidence,
    )


def _line(event: ParsedEvent) -> bytes:
    return b'{"ts":%r,"type":"%b","camera_id":"%b","track_id":%d,"evidence":%b}\n' % (
        event.ts,
        event.type.encode(),
        event.camera_id.encode(),
        event.track_id or 0,
        event.evidence,
    )


def _write_records(connection: extensions.connection, rows: int, now: datetime) -> Iterator[int]:
    random = Random(2)
    records = (_record(random, number, ts) for number, ts in enumerate(moments(rows, now)))
    while batch := list(islice(records, BATCH)):
        with connection, connection.cursor() as cursor:
            cursor.copy_expert(_RECORDS, io.StringIO("".join(batch)))
        yield len(batch)


def _record(random: Random, number: int, ts: float) -> str:
    """Return a row in COPY's text format."""
    timestamp = datetime.fromtimestamp(ts, UTC).isoformat()
    people = int(random.random() * 6)
    return (
        f"{timestamp}\t{_camera(random)}\t{number % 2_000_000}\t{people}\t{number % 41 == 0:d}"
        f"\t{people % 2}\t{people // 3}\t{24 + random.random():.2f}\t0.0{200 + number % 97}\n"
    )


def _write_violations(connection: extensions.connection, now: datetime) -> None:
    box = Json({"x": 412.0, "y": 220.0, "width": 96.0, "height": 180.0})
    rows = [
        (
            CAMERAS[number % len(CAMERAS)],
            now - timedelta(minutes=VIOLATIONS - number),
            VIOLATION_TYPES[number % len(VIOLATION_TYPES)],
            number,
            0.875,
            f"snapshots/{number}.jpg",
            box,
        )
        for number in range(VIOLATIONS)
    ]
    with connection.cursor() as cursor:
        execute_values(cursor, _VIOLATIONS, rows, page_size=1000)
