"""Statistics, counted from the tail of the event log for every request."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from operator import attrgetter
from typing import Any

from detection_api.legacy import event_log
from detection_api.legacy.event_log import LoggedEvent
from detection_api.legacy.json_values import utc_text
from detection_api.legacy.sources import sources

DAILY_LINES = 200_000
"""Number of log lines that daily counts are made from."""


def daily(*, days: int, today: date, camera_id: str | None) -> list[dict[str, Any]]:
    """Return the counts by type of the last `days` UTC days, `today` included, oldest first."""
    first = today - timedelta(days=days - 1)
    counts: dict[date, dict[str, int]] = {first + timedelta(days=n): {} for n in range(days)}
    for event in event_log.newest(sources.events_log, DAILY_LINES):
        by_type = counts.get(event.timestamp.date())
        if by_type is not None and camera_id in (None, event.camera_id):
            by_type[event.type] = by_type.get(event.type, 0) + 1
    return [
        {
            "date": day.isoformat(),
            "total_events": sum(by_type.values()),
            "counts_by_type": dict(sorted(by_type.items())),
        }
        for day, by_type in counts.items()
    ]


def events(
    *,
    start_time: datetime,
    end_time: datetime,
    event_type: str | None,
    camera_id: str | None,
    limit: int,
) -> dict[str, Any]:
    """Return the events from `start_time` to `end_time`, both inclusive, newest first."""
    matching = [
        event
        for event in _tail(limit)
        if start_time <= event.timestamp <= end_time
        and event_type in (None, event.type)
        and camera_id in (None, event.camera_id)
    ]
    page = _newest_first(matching, limit)
    return {"events": [_as_event(event) for event in page], "total": len(page)}


def history(*, since: datetime, limit: int, camera_id: str | None) -> list[dict[str, Any]]:
    """Return the events from `since` on, inclusive, newest first."""
    matching = [
        event
        for event in _tail(limit)
        if since <= event.timestamp and camera_id in (None, event.camera_id)
    ]
    return [_as_history(event) for event in _newest_first(matching, limit)]


def _tail(limit: int) -> Iterator[LoggedEvent]:
    return event_log.newest(sources.events_log, max(5 * limit, 2000))


def _newest_first(events_backwards: list[LoggedEvent], limit: int) -> list[LoggedEvent]:
    """Return the newest `limit` events, newest first; for equal times, the later line first."""
    return sorted(events_backwards, key=attrgetter("timestamp"), reverse=True)[:limit]


def _as_event(event: LoggedEvent) -> dict[str, Any]:
    return {
        "id": f"{event.ts}_{event.track_id}",
        "timestamp": utc_text(event.timestamp),
        "type": event.type,
        "camera_id": event.camera_id,
        "confidence": event.confidence,
        "track_id": event.track_id,
        "region": event.region,
        "metadata": event.evidence,
    }


def _as_history(event: LoggedEvent) -> dict[str, Any]:
    return {
        "ts": event.ts,
        "camera_id": event.camera_id,
        "type": event.type,
        "track_id": event.track_id,
        "region": event.region,
        "detail": event.evidence,
    }
