"""`peer-fastapi`: FastAPI and asyncpg, with views that return dicts.

FastAPI encodes them with `jsonable_encoder`. `typed.py` has the same views with response models.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.encoders import ENCODERS_BY_TYPE

from benchmarks.peers import reads, sql
from benchmarks.peers.database import Database
from benchmarks.peers.parameters import CameraId, Days, Filter, Limit, Minutes, Moment, Offset

ENCODERS_BY_TYPE[datetime] = lambda moment: moment.isoformat()[: -len("+00:00")] + "Z"

database = Database(decode=json.loads)


async def detection_records(
    camera_id: CameraId,
    limit: Limit = 100,
    offset: Offset = 0,
    start_time: Moment = None,
    end_time: Moment = None,
) -> dict[str, Any]:
    """Detection records of one camera, newest first."""
    return await reads.detection_records(database, camera_id, limit, offset, start_time, end_time)


async def violation(violation_id: int) -> dict[str, Any]:
    """One violation."""
    row = await database.row(sql.VIOLATION, violation_id)
    if row is None:
        raise HTTPException(404, f"There is no violation {violation_id}.")
    return dict(row)


async def daily(days: Days = 7, camera_id: Filter = None) -> list[dict[str, Any]]:
    """Events by day and type."""
    return await reads.daily(database, days, camera_id)


async def events(
    start_time: Moment = None,
    end_time: Moment = None,
    event_type: Filter = None,
    camera_id: Filter = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """Events of a window, newest first."""
    filters = {"type": event_type, "camera_id": camera_id}
    found = await reads.events(database, start_time, end_time, filters, limit)
    return {"events": found, "total": len(found)}


async def history(
    minutes: Minutes = 60, limit: Limit = 100, camera_id: Filter = None
) -> list[dict[str, Any]]:
    """Events of the last minutes, newest first."""
    return await reads.history(database, minutes, {"camera_id": camera_id}, limit)


async def cameras(active_only: bool = False) -> dict[str, list[dict[str, Any]]]:
    """Configured cameras."""
    rows = await database.rows(sql.ACTIVE_CAMERAS if active_only else sql.CAMERAS)
    return {"cameras": [dict(row) for row in rows]}


async def camera_stats(camera_id: CameraId) -> dict[str, Any]:
    """A camera's latest statistics."""
    return await reads.camera_stats(database, camera_id)


_VIEWS: Mapping[str, Callable[..., Any]] = {
    "/api/v1/records/detection-records/{camera_id}": detection_records,
    "/api/v1/records/violations/{violation_id}": violation,
    "/api/v1/statistics/daily": daily,
    "/api/v1/statistics/events": events,
    "/api/v1/statistics/history": history,
    "/api/v1/cameras": cameras,
    "/api/v1/cameras/{camera_id}/stats": camera_stats,
}


def application(**options: Any) -> FastAPI:
    """Return an application with the seven endpoints, declared with FastAPI's `options`."""
    made = FastAPI(lifespan=database.lifespan)
    for path, view in _VIEWS.items():
        made.add_api_route(path, view, **options)
    return made


app = application(response_model=None)
