"""Discover the data of a running instance by requests that any client may send."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import islice
from typing import TypeVar
from urllib.parse import quote

import msgspec

from detection_api.canary.flask import FORCE_PARAMETER
from detection_api.web.client import Client

_T = TypeVar("_T")
_MAX_CAMERAS = 20
_CAMERAS_OF_A_KIND = 2
"""At most this many cameras with records are returned, and as many without."""
_BACK = tuple(n**3 for n in range(10))
"""Distances from the newest violation at which others are looked up; legacy has 1,000."""
_MAX_TYPES = 3
_HIGHEST_POWER = 40
"""Ids of violations are looked up to 2 to this power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Moments of a newest-first page, in the API's format."""

    oldest: str
    middle: str
    newest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRecords:
    """A camera's number of records, and moments of its newest page."""

    camera_id: str
    total: int
    stretch: Stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvents:
    """Some types of the newest events, their moments, and the minutes that they span."""

    types: tuple[str, ...]
    stretch: Stretch
    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """The data to ask for; fields are empty if there is none."""

    cameras: tuple[str, ...] = ()
    records: tuple[CameraRecords, ...] = ()
    violations: tuple[int, ...] = ()
    events: LoggedEvents | None = None


class _Item(msgspec.Struct):
    """The fields of a record or an event that are needed here."""

    timestamp: datetime
    type: str = ""


class _RecordPage(msgspec.Struct):
    records: list[_Item]
    total: int


class _EventPage(msgspec.Struct):
    events: list[_Item]


class _Camera(msgspec.Struct):
    id: str


class _CameraList(msgspec.Struct):
    cameras: list[_Camera]


def learn(client: Client, violations: Iterable[int] = ()) -> Discovery:
    """Discover the data; `violations` are ids that may exist. Raises UnreachableError."""
    answer = _get(client, "/cameras", _CameraList)
    cameras = [camera.id for camera in answer.cameras[:_MAX_CAMERAS]] if answer else []
    pages = {camera: _records(client, camera) for camera in cameras}
    filled = [page for page in pages.values() if page][:_CAMERAS_OF_A_KIND]
    empty = [camera for camera, page in pages.items() if page is None][:_CAMERAS_OF_A_KIND]
    return Discovery(
        cameras=(*(page.camera_id for page in filled), *empty),
        records=tuple(filled),
        violations=tuple(islice(_existing(client, violations), len(_BACK))),
        events=_events(client),
    )


def _records(client: Client, camera_id: str) -> CameraRecords | None:
    """Return a camera's records; None if it has none."""
    path = f"/records/detection-records/{quote(camera_id, safe='')}?limit=1000"
    page = _get(client, path, _RecordPage)
    if page is None or not page.records:
        return None
    return CameraRecords(camera_id=camera_id, total=page.total, stretch=_stretch(page.records))


def _events(client: Client) -> LoggedEvents | None:
    """Return the events of a default page; None if there are none.

    The page is small because legacy filters only the newest 2,000 events.
    """
    page = _get(client, "/statistics/events", _EventPage)
    if page is None or not page.events:
        return None
    span = page.events[0].timestamp - page.events[-1].timestamp
    types = dict.fromkeys(event.type for event in page.events)
    return LoggedEvents(
        types=tuple(islice(types, _MAX_TYPES)),
        stretch=_stretch(page.events),
        minutes=max(1, int(span.total_seconds() // 60)),
    )


def _stretch(items: list[_Item]) -> Stretch:
    newest, middle, oldest = (
        items[i].timestamp.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        for i in (0, len(items) // 2, -1)
    )
    return Stretch(oldest=oldest, middle=middle, newest=newest)


def _existing(client: Client, candidates: Iterable[int]) -> Iterator[int]:
    """Yield ids of existing violations: those among `candidates`, then the newest."""
    for number in candidates:
        if _exists(client, number):
            yield number
    newest = _newest_violation(client)
    for number in (newest - back for back in _BACK):
        if number > 0 and _exists(client, number):
            yield number


def _newest_violation(client: Client) -> int:
    """Return the highest id if ids run from 1 without gaps, else another existing id, or 0."""
    powers = [2**power for power in range(_HIGHEST_POWER)]
    known = max((number for number in powers if _exists(client, number)), default=0)
    unknown = max(1, known * 2)
    while unknown - known > 1:
        middle = (known + unknown) // 2
        known, unknown = (middle, unknown) if _exists(client, middle) else (known, middle)
    return known


def _exists(client: Client, violation_id: int) -> bool:
    """Return whether either arm has this violation; legacy has only the newest 1,000."""
    path = f"/records/violations/{violation_id}"
    return any(_get(client, path, dict, force) is not None for force in ("true", "false"))


def _get(client: Client, path: str, kind: type[_T], force: str = "false") -> _T | None:
    """Return the decoded answer, from legacy if that is granted; None unless it is valid."""
    separator = "&" if "?" in path else "?"
    reply = client.get(f"/api/v1{path}{separator}{FORCE_PARAMETER}={force}")
    if reply.status != HTTPStatus.OK:
        return None
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
