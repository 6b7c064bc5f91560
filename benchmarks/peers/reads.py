"""Read the database for the peers, and build the values that they encode."""

from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.peers import sql
from benchmarks.peers.database import Database

NEAR = 1000
"""The largest offset for which the last month is read first."""
RUNNING_WITHIN = timedelta(seconds=30)
NO_STATISTICS = {
    "total_frames": 0,
    "processed_frames": 0,
    "detected_persons": 0,
    "detected_hairnets": 0,
    "detected_handwash": 0,
    "avg_fps": 0.0,
    "avg_detection_time": 0.0,
    "last_detection_time": None,
}


async def detection_records(
    database: Database,
    camera_id: str,
    limit: int,
    offset: int,
    start: datetime | None,
    end: datetime | None,
) -> dict[str, Any]:
    """Return one page of a camera's records, and the total.

    As in the services, it reads no older partition if the last month fills the page.
    """
    page = (camera_id, limit, offset)
    if start is not None or end is not None:
        rows = await database.rows(sql.RECORDS_OF_WINDOW, *page, start, end)
    elif offset > NEAR:
        rows = await database.rows(sql.RECORDS, *page)
    else:
        rows = await database.rows(sql.RECENT_RECORDS, *page)
        found = sum(row["id"] is not None for row in rows) if len(rows) <= 1 else len(rows)
        if found < limit and offset + found < rows[0]["total"]:
            rows = await database.rows(sql.RECORDS, *page)
    *columns, _ = rows[0].keys()
    is_empty = rows[0]["id"] is None
    return {
        "records": [] if is_empty else [dict(zip(columns, row, strict=False)) for row in rows],
        "total": rows[0]["total"],
        "camera_id": camera_id,
        "limit": limit,
        "offset": offset,
    }


async def daily(database: Database, days: int, camera_id: str | None) -> list[dict[str, Any]]:
    """Return the counts by type of each day, up to today."""
    today = datetime.now(UTC).date()
    first = today - timedelta(days=days - 1)
    filters = {} if camera_id is None else {"camera_id": camera_id}
    rows = await database.rows(sql.daily(*filters), first, today, *filters.values())
    counts: dict[Any, dict[str, int]] = {first + timedelta(days=n): {} for n in range(days)}
    for day, kind, count in rows:
        counts[day][kind] = count
    return [
        {"date": day, "total_events": sum(by_type.values()), "counts_by_type": by_type}
        for day, by_type in counts.items()
    ]


async def events(
    database: Database,
    start: datetime | None,
    end: datetime | None,
    filters: dict[str, str | None],
    limit: int,
) -> list[dict[str, Any]]:
    """Return the events of a window, newest first."""
    end = end or datetime.now(UTC)
    start = start or end - timedelta(hours=24)
    given = _given(filters)
    rows = await database.rows(sql.events(*given), start, end, limit, *given.values())
    return [
        {
            "id": f"{ts}_{track_id}",
            "timestamp": timestamp,
            "type": kind,
            "camera_id": camera_id,
            "confidence": confidence,
            "track_id": track_id,
            "region": region,
            "metadata": evidence,
        }
        for ts, timestamp, kind, camera_id, confidence, track_id, region, evidence in rows
    ]


async def history(
    database: Database, minutes: int, filters: dict[str, str | None], limit: int
) -> list[dict[str, Any]]:
    """Return the events of the last minutes, newest first."""
    since = datetime.now(UTC) - timedelta(minutes=minutes)
    given = _given(filters)
    rows = await database.rows(sql.history(*given), since, limit, *given.values())
    return [dict(row.items()) for row in rows]  # half the time of dict(row)


async def camera_stats(database: Database, camera_id: str) -> dict[str, Any]:
    """Return a camera's latest statistics."""
    row = await database.row(sql.CAMERA_STATS, camera_id)
    latest = row and row["last_detection_time"]
    return {
        "camera_id": camera_id,
        "running": latest is not None and datetime.now(UTC) - latest <= RUNNING_WITHIN,
        "pid": 0,
        "log_file": "",
        "stats": NO_STATISTICS if row is None else dict(row),
    }


def _given(filters: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in filters.items() if value is not None}
