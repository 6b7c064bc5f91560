"""Carry the whole camera file into PostgreSQL, once or at every change."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2
import structlog
import yaml
from psycopg2.extras import execute_values

from detection_api.ingest.database import Outage, connect
from detection_api.ingest.json_values import finite

log = structlog.get_logger(__name__)

POLL_INTERVAL = 1.0
"""Seconds between two checks of the file."""

_INSERT = (
    "INSERT INTO cameras (position, id, name, source, location, status, active, auto_start,"
    " resolution, fps, region_id, regions_file) VALUES %s"
)

# PyYAML raises these for a scalar that does not fit its tag, such as `!!int ""` or 2026-13-01.
_UNFIT = (ValueError, LookupError, AttributeError, TypeError)


class CameraFileError(ValueError):
    """The camera file is unusable; the message says why, without quoting the file."""


class CameraFileUnreadableError(CameraFileError):
    """The camera file cannot be read now; a later attempt may succeed without a change."""


class ParsedCamera(NamedTuple):
    """One configured camera; fields in the order of the columns of `cameras` after `position`."""

    id: str
    name: str
    source: str
    location: str | None
    status: str
    active: bool
    auto_start: bool
    resolution: str | None
    fps: float | None
    region_id: str | None
    regions_file: str | None


def parse(text: str) -> list[ParsedCamera]:
    """Return the cameras of a camera file, in its order; skips entries without an id.

    If entries have the same id, the first one counts. Raises ValueError.
    """
    document = _load(text)
    entries = document.get("cameras") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise CameraFileError("it has no list of cameras")
    cameras: dict[str, ParsedCamera] = {}
    for camera in _cameras(entries):
        cameras.setdefault(camera.id, camera)
    return list(cameras.values())


def _load(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise CameraFileError(f"{line}{error.problem}") from error
    except yaml.YAMLError as error:
        raise CameraFileError("it holds characters that YAML does not allow") from error
    except RecursionError as error:
        raise CameraFileError("it is nested too deep") from error
    except _UNFIT as error:
        raise CameraFileError("it holds a value that does not fit its YAML type") from error


def _cameras(entries: list[object]) -> Iterator[ParsedCamera]:
    for entry in entries:
        if isinstance(entry, dict) and type(entry.get("id")) in (str, int):
            yield _camera(str(entry["id"]), entry)


def _camera(identifier: str, entry: dict[Any, Any]) -> ParsedCamera:
    active = _flag(entry.get("active"), default=True)
    return ParsedCamera(
        id=identifier,
        name=_text(entry.get("name")) or identifier,
        source=_text(entry.get("source")) or "",
        location=_text(entry.get("location")),
        status=_text(entry.get("status")) or ("active" if active else "inactive"),
        active=active,
        auto_start=_flag(entry.get("auto_start"), default=False),
        resolution=_text(entry.get("resolution")),
        fps=finite(entry.get("fps")),
        region_id=_text(entry.get("region_id")),
        regions_file=_text(entry.get("regions_file")),
    )


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return str(value) if type(value) in (int, float) else None


def _flag(value: object, *, default: bool) -> bool:
    return value if isinstance(value, bool) else default


def sync(database_url: str, path: Path) -> int:
    """Replace the `cameras` table with the content of the file at `path`; return their number.

    One transaction, so readers see the old cameras or the new ones. If the file is unusable, raises
    CameraFileError, or CameraFileUnreadableError if a retry may help, without a change. Also raises
    psycopg2's errors.
    """
    try:
        cameras = parse(path.read_text(encoding="utf-8"))
        _store(database_url, cameras)
    except OSError as error:
        raise CameraFileUnreadableError(f"{path} cannot be used: {error}") from error
    except ValueError as error:
        raise CameraFileError(f"{path} cannot be used: {error}") from error
    log.info("cameras_synced", file=str(path), cameras=len(cameras))
    return len(cameras)


def _store(database_url: str, cameras: list[ParsedCamera]) -> None:
    """Replace all cameras; raises ValueError for text that PostgreSQL cannot hold."""
    rows = [(position, *camera) for position, camera in enumerate(cameras)]
    connection = connect(database_url, "detection-api ingest cameras")
    with closing(connection), connection, connection.cursor() as cursor:
        # Only one process may insert the cameras; readers do not wait.
        cursor.execute("LOCK TABLE cameras IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute("DELETE FROM cameras")
        execute_values(cursor, _INSERT, rows, page_size=1000)


def follow(database_url: str, path: Path, stop: threading.Event) -> None:
    """Sync now and whenever the file changes, until `stop` is set; continues after every outage."""
    outage = Outage("camera ingestion")
    synced: tuple[int, ...] | None = None
    while not stop.is_set():
        version = _version(path)
        if version == synced:
            stop.wait(POLL_INTERVAL)
            continue
        try:
            sync(database_url, path)
        except (psycopg2.Error, CameraFileUnreadableError) as error:
            stop.wait(outage.failed(error))
            continue
        except CameraFileError as error:
            log.error("camera_file_unusable", error=str(error))
        outage.over()
        synced = version


def _version(path: Path) -> tuple[int, ...]:
    """Return values that change when the file changes; empty if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
