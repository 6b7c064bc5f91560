"""Health: checks of everything that the service depends on."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import psycopg2
import redis
import structlog
from sqlalchemy import Text, bindparam, literal, select

from detection_api.config import Settings, log_key
from detection_api.db import Query, Replicated
from detection_api.errors import DeadlineExceededError
from detection_api.extensions import primary, reader
from detection_api.models.ingestion import IngestCheckpoint

log = structlog.get_logger(__name__)

REDIS_TIMEOUT = 0.5
"""Time limit of the Redis check, in seconds."""

MAX_LINE = 1 << 20
"""The longest line that can be an event, in bytes."""

_EXPECTED = (psycopg2.Error, DeadlineExceededError, redis.RedisError, OSError)

_checkpoint = IngestCheckpoint.__table__.c

PING = Query("health_ping", select(literal(1).label("one")))
CHECKPOINT = Query(
    "health_checkpoint",
    select(_checkpoint.device, _checkpoint.inode, _checkpoint.offset).where(
        _checkpoint.log == bindparam("log", type_=Text)
    ),
)


_Name = Annotated[str, msgspec.Meta(min_length=1)]


class _Line(msgspec.Struct):
    """The fields of an event that the lag needs, and that other lines do not have."""

    ts: float
    type: _Name
    camera_id: _Name


_line = msgspec.json.Decoder(_Line).decode


def health(settings: Settings, now: datetime) -> dict[str, Any]:
    """Return the result of every check; `failing` if one fails. See HealthSchema."""
    checks = {
        "database": _check("database", _database),
        "replica": _check("replica", _replica),
        "redis": _check("redis", lambda: _redis(settings.redis_url)),
        "event_log": _check("event_log", lambda: _event_log(settings.events_log)),
        "ingestion": _check("ingestion", lambda: _ingestion(settings, now)),
    }
    failing = any(check["status"] == "failing" for check in checks.values())
    return {"status": "failing" if failing else "ok", "checks": checks}


def _check(name: str, check: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        result = check()
    except _EXPECTED as error:
        log.warning("health_check_failed", check=name, error=str(error))
        result = {"status": "failing"}
    return {"ms": round((time.perf_counter() - started) * 1000, 3), **result}


def _database() -> Mapping[str, Any]:
    primary.rows(PING)
    return {"status": "ok"}


def _replica() -> Mapping[str, Any]:
    """Return the state that this worker sees; never a failure, because the primary takes over."""
    if not isinstance(reader.pool, Replicated):
        return {"status": "disabled"}
    unfit = reader.pool.unfit()
    return {"status": "bypassed", "reason": unfit.value} if unfit else {"status": "ok"}


def _redis(url: str) -> Mapping[str, Any]:
    if not url:
        return {"status": "disabled"}
    with redis.Redis.from_url(
        url, socket_timeout=REDIS_TIMEOUT, socket_connect_timeout=REDIS_TIMEOUT
    ) as client:
        client.ping()
    return {"status": "ok"}


def _event_log(path: Path) -> Mapping[str, Any]:
    with path.open("rb"):
        return {"status": "ok"}


def _ingestion(settings: Settings, now: datetime) -> Mapping[str, Any]:
    rows = primary.rows(CHECKPOINT, log=log_key(settings.events_log))
    lag = _lag(settings.events_log, rows[0] if rows else None, now)
    late = not rows or lag > settings.ingestion_lag_limit_s
    return {"status": "failing" if late else "ok", "lag_seconds": round(lag, 3)}


def _lag(path: Path, checkpoint: Mapping[str, Any] | None, now: datetime) -> float:
    """Return the age in seconds of the oldest event that is not ingested; 0 if there is none."""
    with path.open("rb") as stream:
        if checkpoint is not None and _is_file(stream.fileno(), checkpoint):
            stream.seek(checkpoint["offset"])
        for line in _lines(stream):
            try:
                return max(0.0, now.timestamp() - _line(line).ts)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
    return 0.0


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the whole lines that follow, except those longer than MAX_LINE."""
    is_start = True
    while piece := stream.readline(MAX_LINE + 1):
        is_end = piece.endswith(b"\n")
        if is_start and is_end:
            yield piece
        is_start = is_end


def _is_file(descriptor: int, checkpoint: Mapping[str, Any]) -> bool:
    status = os.fstat(descriptor)
    return (status.st_dev, status.st_ino) == (checkpoint["device"], checkpoint["inode"])
