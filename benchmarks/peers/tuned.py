"""`peer-fastapi-tuned`: the fastest form of FastAPI.

orjson encodes answers directly into a Response, without FastAPI's validation and encoding. JSON
columns are sent as text, without parsing.
"""

from typing import Any

import orjson
from fastapi import FastAPI, HTTPException, Response

from benchmarks.peers import reads, sql
from benchmarks.peers.database import Database
from benchmarks.peers.parameters import CameraId, Days, Filter, Limit, Minutes, Moment, Offset

database = Database(decode=orjson.Fragment)
app = FastAPI(lifespan=database.lifespan)


def _json(body: Any) -> Response:
    encoded = orjson.dumps(body, default=dict, option=orjson.OPT_UTC_Z)
    return Response(encoded, media_type="application/json")


@app.get("/api/v1/records/detection-records/{camera_id}")
async def detection_records(
    camera_id: CameraId,
    limit: Limit = 100,
    offset: Offset = 0,
    start_time: Moment = None,
    end_time: Moment = None,
) -> Response:
    """Detection records of one camera, newest first."""
    return _json(
        await reads.detection_records(database, camera_id, limit, offset, start_time, end_time)
    )


@app.get("/api/v1/records/violations/{violation_id}")
async def violation(violation_id: int) -> Response:
    """One violation."""
    row = await database.row(sql.VIOLATION, violation_id)
    if row is None:
        raise HTTPException(404, f"There is no violation {violation_id}.")
    return _json(row)


@app.get("/api/v1/statistics/daily")
async def daily(days: Days = 7, camera_id: Filter = None) -> Response:
    """Events by day and type."""
    return _json(await reads.daily(database, days, camera_id))


@app.get("/api/v1/statistics/events")
async def events(
    start_time: Moment = None,
    end_time: Moment = None,
    event_type: Filter = None,
    camera_id: Filter = None,
    limit: Limit = 100,
) -> Response:
    """Events of a window, newest first."""
    filters = {"type": event_type, "camera_id": camera_id}
    found = await reads.events(database, start_time, end_time, filters, limit)
    return _json({"events": found, "total": len(found)})


@app.get("/api/v1/statistics/history")
async def history(minutes: Minutes = 60, limit: Limit = 100, camera_id: Filter = None) -> Response:
    """Events of the last minutes, newest first."""
    return _json(await reads.history(database, minutes, {"camera_id": camera_id}, limit))


@app.get("/api/v1/cameras")
async def cameras(active_only: bool = False) -> Response:
    """Configured cameras."""
    rows = await database.rows(sql.ACTIVE_CAMERAS if active_only else sql.CAMERAS)
    return _json({"cameras": rows})


@app.get("/api/v1/cameras/{camera_id}/stats")
async def camera_stats(camera_id: CameraId) -> Response:
    """A camera's latest statistics."""
    return _json(await reads.camera_stats(database, camera_id))
