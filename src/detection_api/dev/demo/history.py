"""Write the demo's first week, and recognise data that is not the demo's.

The first line of the event log and the oldest violation carry SIGNATURE. If the log or the tables
hold data without it, the data is real, and neither history nor detector may add to it. The log is
written in one step, then the tables in one step. So the next start completes an interrupted one,
and does not write a log again that was rotated.
"""

from collections.abc import Iterable
from contextlib import closing
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path

import msgspec
import structlog
from psycopg2 import extensions

from detection_api.config import Settings
from detection_api.db import TABLES, create, month_of
from detection_api.dev.demo import tables
from detection_api.dev.demo.visits import EventType, SimulatedEvent
from detection_api.dev.demo.world import CAMERAS, World

log = structlog.get_logger(__name__)

DAYS = 7
RECORD_INTERVAL = 60
"""Seconds between two detection records of a camera; the live detector writes more of them."""
SIGNATURE = "simulated-by-detection-api-demo"

CAMERA_FILE = """\
# Written by detection-api demo. Edit it: cameras follow within seconds.
cameras:
  - id: cam0
    name: Hygiene station
    source: rtsp://cameras.example/hygiene
    location: Production entrance
    active: true
    auto_start: true
    resolution: 1920x1080
    fps: 25.0
    region_id: sink
    regions_file: config/regions_cam0.json
    env:
      RTSP_PASSWORD: not-a-real-secret
  - id: vid1
    name: Packing hall
    source: videos/packing.mp4
"""

_OLDEST_VIOLATION = (
    "SELECT coalesce(snapshot_path, '') FROM violation_events ORDER BY timestamp, id LIMIT 1"
)
_HAS_RECORDS = "SELECT EXISTS (SELECT FROM detection_records)"
# Held until the connection is closed, so a second history waits and finds the first one.
_ONE_AT_A_TIME = "SELECT pg_advisory_lock(hashtextextended('detection-api demo history', 0))"
# A history that was rolled back has used ids, and violation 1 must exist.
_RESTART_IDS = (
    "SELECT setval(pg_get_serial_sequence('detection_records', 'id'), 1, false),"
    " setval(pg_get_serial_sequence('violation_events', 'id'), 1, false)"
)


class Origin(Enum):
    """The origin of the data in the log or in the tables."""

    EMPTY = "empty"
    """There is no data."""
    DEMO = "demo"
    """The demo wrote it."""
    FOREIGN = "foreign"
    """It has data without the signature."""


def write(world: World, settings: Settings, now: datetime) -> bool:
    """Write the missing history up to `now`; return False if there is foreign data.

    It adds nothing to foreign data. Raises OSError and psycopg2's errors.
    """
    with closing(tables.connect(settings.database_url)) as connection:
        with connection.cursor() as cursor:
            cursor.execute(_ONE_AT_A_TIME)
        of_tables = _origin_of_tables(connection)
        if of_tables is Origin.DEMO:
            _write_missing_cameras(settings.cameras_file)
            return True
        of_log = _origin_of_log(settings.events_log)
        if Origin.FOREIGN in (of_log, of_tables):
            log.warning("demo_refused", event_log=of_log.value, tables=of_tables.value)
            return False
        since = now - timedelta(days=DAYS)
        if of_log is Origin.EMPTY:
            lines = world.lines(since.timestamp(), now.timestamp())
            _write_file(settings.events_log, [_first_line(since), *lines])
        _write_missing_cameras(settings.cameras_file)
        _write_tables(connection, world, since, now)
    return True


def _origin_of_log(path: Path) -> Origin:
    try:
        with path.open("rb") as stream:
            first = stream.readline()
    except FileNotFoundError:
        return Origin.EMPTY
    if not first:
        return Origin.EMPTY
    return Origin.DEMO if SIGNATURE.encode() in first else Origin.FOREIGN


def _origin_of_tables(connection: extensions.connection) -> Origin:
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST_VIOLATION)
        oldest = cursor.fetchone()
        cursor.execute(_HAS_RECORDS)
        if oldest is None and cursor.fetchone() == (False,):
            return Origin.EMPTY
    return Origin.DEMO if oldest is not None and SIGNATURE in oldest[0] else Origin.FOREIGN


def _write_tables(
    connection: extensions.connection, world: World, since: datetime, now: datetime
) -> None:
    for month in sorted({month_of(since), month_of(now)}):
        for table in TABLES:
            create(connection, table, month)
    period = since.timestamp(), now.timestamp()
    records = world.records(*period, every=RECORD_INTERVAL)
    first, *others = world.violations(*period)
    signed = first._replace(snapshot_path=f"snapshots/{SIGNATURE}.jpg")
    with connection.cursor() as cursor:
        cursor.execute(_RESTART_IDS)
    tables.insert(connection, records, [signed, *others])
    log.info("demo_tables_written", records=len(records), violations=1 + len(others))


def _first_line(since: datetime) -> bytes:
    evidence = {"confidence": 1, "note": SIGNATURE}
    event = SimulatedEvent(
        round(since.timestamp(), 3), EventType.SELF_CHECK, next(iter(CAMERAS)), None, evidence
    )
    return msgspec.json.encode(event) + b"\n"


def _write_missing_cameras(path: Path) -> None:
    if not path.exists():
        _write_file(path, [CAMERA_FILE.encode()])


def _write_file(path: Path, lines: Iterable[bytes]) -> None:
    """Write the file under a name that is not taken for a rotated log, then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"unfinished-{path.name}")
    unfinished.write_bytes(b"".join(lines))
    unfinished.replace(path)
    log.info("demo_file_written", file=str(path))
