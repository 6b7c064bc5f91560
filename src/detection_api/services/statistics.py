"""Statistics of events: daily counts and lists of events."""

from datetime import date, datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any, TypedDict

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
)

from detection_api.canary.state import learned
from detection_api.extensions import cache
from detection_api.models.statistics import DailyEventCount, Event
from detection_api.services.filtered_query import FilteredQuery

_event = Event.__table__.c
_daily = DailyEventCount.__table__.c
_start = bindparam("start", type_=DateTime(timezone=True))
_end = bindparam("end", type_=DateTime(timezone=True))

DAILY = FilteredQuery(
    "statistics_daily",
    select(_daily.day, _daily.type, cast(func.sum(_daily.count), BigInteger).label("count"))
    .where(_daily.day.between(bindparam("first", type_=Date), bindparam("last", type_=Date)))
    .group_by(_daily.day, _daily.type),
    camera_id=_daily.camera_id == bindparam("camera_id", type_=Text),
)

_newest_first = (_event.timestamp.desc(), _event.id.desc())
_limit = bindparam("limit", type_=BigInteger)

_digits = cast(_event.ts, Text)
_number = case(
    (_event.ts == func.trunc(_event.ts), _digits + literal_column("'.0'")), else_=_digits
)
"""The text of a `ts` as Python writes it; PostgreSQL omits the `.0` of a whole number."""
_track = func.coalesce(cast(_event.track_id, Text), literal_column("'None'"))

EVENTS = FilteredQuery(
    "statistics_events",
    select(
        (_number + literal_column("'_'") + _track).label("id"),
        _event.timestamp,
        _event.type,
        _event.camera_id,
        _event.confidence,
        _event.track_id,
        _event.region,
        _event.evidence.label("metadata"),
    )
    .where(_event.timestamp.between(_start, _end))
    .order_by(*_newest_first)
    .limit(_limit),
    event_type=_event.type == bindparam("event_type", type_=Text),
    camera_id=_event.camera_id == bindparam("camera_id", type_=Text),
)

HISTORY = FilteredQuery(
    "statistics_history",
    select(
        _event.ts,
        _event.camera_id,
        _event.type,
        _event.track_id,
        _event.region,
        _event.evidence.label("detail"),
    )
    .where(_event.timestamp >= _start)
    .order_by(*_newest_first)
    .limit(_limit),
    camera_id=_event.camera_id == bindparam("camera_id", type_=Text),
)


class Day(TypedDict):
    """The counts of one day."""

    date: date
    total_events: int
    counts_by_type: dict[str, int]


_DAYS = learned(list[Day])


def daily(*, days: int, today: date, camera_id: str | None) -> list[Day]:
    """Return the counts by type of the last `days` UTC days, `today` included, oldest first.

    Counts may come from the cache. Raises what `Reader.rows` raises.
    """
    count = partial(_count_days, days, today, camera_id)
    return cache.remember(("daily", days, today, camera_id), _DAYS, count)


def _count_days(days: int, today: date, camera_id: str | None) -> list[Day]:
    dates = [today - timedelta(days=ago) for ago in reversed(range(days))]
    rows = DAILY.rows({"camera_id": camera_id}, first=dates[0], last=today)
    counts: dict[date, dict[str, int]] = {day: {} for day in dates}
    for row in sorted(rows, key=attrgetter("type")):
        counts[row.day][row.type] = row.count
    return [
        {"date": day, "total_events": sum(by_type.values()), "counts_by_type": by_type}
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
    """Return the events from `start_time` to `end_time`, both inclusive, newest first.

    Raises what `Reader.rows` raises.
    """
    rows = EVENTS.rows(
        {"event_type": event_type, "camera_id": camera_id},
        start=start_time,
        end=end_time,
        limit=limit,
    )
    return {"events": rows, "total": len(rows)}


def history(*, since: datetime, limit: int, camera_id: str | None) -> list[Any]:
    """Return the events from `since` on, inclusive, newest first.

    Raises what `Reader.rows` raises.
    """
    return HISTORY.rows({"camera_id": camera_id}, start=since, limit=limit)
