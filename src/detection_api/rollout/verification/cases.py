"""What to ask of each endpoint to see whether its arms agree, drawn from the data there is; pure.

What differs by legacy's documented limits (it knows the newest 1,000 violations and the newest
lines of the event log only) is not asked for: that is known, and nothing a domain did wrong.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from detection_api.rollout.verification.discovery import CameraRecords, Discovery, LoggedEvents

UNKNOWN = "no-such-thing"
"""The name of no camera and no type."""
UNKNOWN_ID = 2**62
LONG_AGO = {"start_time": "2000-01-01T00:00:00Z", "end_time": "2000-01-02T00:00:00Z"}
_OUT_OF_BOUNDS = (0, 1001)
"""Limits beyond the bounds of every page."""


def never(_: Any) -> bool:
    """No answer to this case has to have data in it."""
    return False


@dataclass(frozen=True, slots=True)
class Case:
    """A request for both arms.

    `refused` names the parameter for which both have to answer 422. `has_data` tells whether an
    answer shows more than that there is nothing.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    has_data: Callable[[Any], bool] = never
    refused: str | None = None


def plan(endpoint: str, facts: Discovery) -> list[Case]:
    """The cases of an endpoint; none where nobody has said what to ask of it."""
    return list(_PLANS[endpoint](facts)) if endpoint in _PLANS else []


def _detection_records(facts: Discovery) -> Iterator[Case]:
    for records in facts.records:
        yield from _pages(records)
    filled = {records.camera_id for records in facts.records}
    for camera in (*(c for c in facts.cameras if c not in filled), UNKNOWN):
        yield Case(f"{camera}, no records", {"camera_id": camera})
    for name, value in (*(("limit", n) for n in _OUT_OF_BOUNDS), ("offset", -1)):
        yield _refused(name, value, camera_id=UNKNOWN)
    yield _refused("start_time", "yesterday", camera_id=UNKNOWN)
    inverted = {"start_time": LONG_AGO["end_time"], "end_time": LONG_AGO["start_time"]}
    yield Case("window inverted", {"camera_id": UNKNOWN, **inverted}, refused="end_time")


def _pages(records: CameraRecords) -> Iterator[Case]:
    """Pages of one camera; edges in a window that no new record enters."""
    camera, stretch, total = records.camera_id, records.stretch, records.total
    until = {"end_time": stretch.newest}
    for name, arguments in (
        ("default", {}),
        ("limit 1", {"limit": 1}),
        ("limit 1000", {"limit": 1000}),
        ("second page", {"limit": 10, "offset": 10, **until}),
        ("last record", {"offset": total - 1, **until}),
        ("past the end", {"offset": total, **until}),
        ("window whole", {"limit": 1000, "start_time": stretch.oldest, **until}),
        ("window part", {"limit": 1000, "start_time": stretch.middle, **until}),
        ("window empty", LONG_AGO),
        ("from a moment on", {"start_time": stretch.middle}),
    ):
        yield Case(f"{camera}, {name}", {"camera_id": camera, **arguments}, _records_in)


def _violation(facts: Discovery) -> Iterator[Case]:
    for number in facts.violations:
        yield Case(f"existing {number}", {"violation_id": number}, bool)
    yield Case("missing", {"violation_id": UNKNOWN_ID})
    yield Case("missing 0", {"violation_id": 0})
    yield _refused("violation_id", "first")


def _daily(facts: Discovery) -> Iterator[Case]:
    for days in (None, 1, 90):
        arguments = {} if days is None else {"days": days}
        yield Case(f"days {days or 'default'}", arguments, _counts_in)
    yield from _of_cameras(facts, _counts_in)
    for days in (0, 91):
        yield _refused("days", days)


def _events(facts: Discovery) -> Iterator[Case]:
    yield Case("default", {}, _events_in)
    yield Case("limit 1", {"limit": 1}, _events_in)
    yield Case("limit 1000", {"limit": 1000}, _events_in)
    yield Case("window empty", LONG_AGO)
    if facts.events:
        yield from _windows(facts, facts.events)
    yield Case("unknown type", {"event_type": UNKNOWN})
    yield Case("unknown camera", {"camera_id": UNKNOWN})
    for limit in _OUT_OF_BOUNDS:
        yield _refused("limit", limit)
    yield _refused("end_time", "tomorrow")


def _windows(facts: Discovery, events: LoggedEvents) -> Iterator[Case]:
    """Windows among the newest events, and what is filtered in them."""
    stretch = events.stretch
    whole = {"start_time": stretch.oldest, "end_time": stretch.newest}
    yield Case("window whole", whole, _events_in)
    yield Case("window part", {**whole, "start_time": stretch.middle}, _events_in)
    yield Case("from a moment on", {"start_time": stretch.middle}, _events_in)
    for name in events.types:
        yield Case(f"type {name}", {**whole, "event_type": name}, _events_in)
    for camera in facts.cameras:
        yield Case(camera, {**whole, "camera_id": camera}, _events_in)


def _history(facts: Discovery) -> Iterator[Case]:
    yield Case("default", {}, bool)
    yield Case("minutes 1", {"minutes": 1}, bool)
    yield Case("minutes 1440, limit 1000", {"minutes": 1440, "limit": 1000}, bool)
    yield Case("minutes 1440, limit 1", {"minutes": 1440, "limit": 1}, bool)
    minutes = {"minutes": facts.events.minutes if facts.events else 1}
    for camera in (*facts.cameras, UNKNOWN):
        yield Case(camera, {**minutes, "camera_id": camera}, bool)
    for value in (0, 1441):
        yield _refused("minutes", value)
    for value in _OUT_OF_BOUNDS:
        yield _refused("limit", value)


def _cameras(_: Discovery) -> Iterator[Case]:
    yield Case("default", {}, _cameras_in)
    yield Case("active only", {"active_only": "true"}, _cameras_in)
    yield Case("all", {"active_only": "false"}, _cameras_in)
    yield _refused("active_only", "perhaps")


def _camera_stats(facts: Discovery) -> Iterator[Case]:
    for camera in facts.cameras:
        yield Case(camera, {"camera_id": camera}, _has_published)
    yield Case("unknown camera", {"camera_id": UNKNOWN})


def _of_cameras(facts: Discovery, has_data: Callable[[Any], bool]) -> Iterator[Case]:
    for camera in (*facts.cameras, UNKNOWN):
        yield Case(camera, {"camera_id": camera}, has_data)


def _refused(parameter: str, value: object, **others: str) -> Case:
    name = f"{parameter} {value}"
    return Case(name, {**others, parameter: value}, refused=parameter)


def _records_in(body: Any) -> bool:
    return bool(body["records"])


def _events_in(body: Any) -> bool:
    return bool(body["events"])


def _counts_in(body: Any) -> bool:
    return any(day["total_events"] for day in body)


def _cameras_in(body: Any) -> bool:
    return bool(body["cameras"])


def _has_published(body: Any) -> bool:
    return body["stats"]["last_detection_time"] is not None


_PLANS: Mapping[str, Callable[[Discovery], Iterator[Case]]] = {
    "records.detection_records": _detection_records,
    "records.violation": _violation,
    "statistics.daily": _daily,
    "statistics.events": _events,
    "statistics.history": _history,
    "cameras.cameras": _cameras,
    "cameras.camera_stats": _camera_stats,
}
