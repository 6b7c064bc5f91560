"""What data a running instance has, learned by asking it as any client may."""

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
_CAMERAS_ASKED = 20
_CAMERAS_OF_A_KIND = 2
"""So many cameras with records, and so many without, are told of."""
_BACK = tuple(n**3 for n in range(10))
"""How far before the newest violation others are looked for: legacy knows 1,000."""
_TYPES = 3
_HIGHEST_POWER = 40
"""Violations are looked for up to the id that is 2 to this power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Moments of a newest-first page, as the API writes them, from its last item to its first."""

    oldest: str
    middle: str
    newest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRecords:
    """A camera's records: how many, and the moments of the newest of them."""

    camera_id: str
    total: int
    stretch: Stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvents:
    """The newest events: some of their types, their moments, and how many minutes those span."""

    types: tuple[str, ...]
    stretch: Stretch
    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What there is to ask for; empty where there is nothing."""

    cameras: tuple[str, ...] = ()
    records: tuple[CameraRecords, ...] = ()
    violations: tuple[int, ...] = ()
    events: LoggedEvents | None = None


class _Item(msgspec.Struct):
    """Of a record or an event, what is wanted here."""

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
    """What the instance has; `violations` are ids that may exist. Raises UnreachableError."""
    answer = _get(client, "/cameras", _CameraList)
    cameras = [camera.id for camera in answer.cameras[:_CAMERAS_ASKED]] if answer else []
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
    """What there is of a camera; None where there is nothing."""
    path = f"/records/detection-records/{quote(camera_id, safe='')}?limit=1000"
    page = _get(client, path, _RecordPage)
    if page is None or not page.records:
        return None
    return CameraRecords(camera_id=camera_id, total=page.total, stretch=_stretch(page.records))


def _events(client: Client) -> LoggedEvents | None:
    """What there is of events; None where there is nothing.

    No more than a default page: legacy looks for those it filters among the newest 2,000 only.
    """
    page = _get(client, "/statistics/events", _EventPage)
    if page is None or not page.events:
        return None
    span = page.events[0].timestamp - page.events[-1].timestamp
    types = dict.fromkeys(event.type for event in page.events)
    return LoggedEvents(
        types=tuple(islice(types, _TYPES)),
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
    """Ids of violations that exist: those of `candidates`, then the newest that can be found."""
    for number in candidates:
        if _exists(client, number):
            yield number
    newest = _newest_violation(client)
    for number in (newest - back for back in _BACK):
        if number > 0 and _exists(client, number):
            yield number


def _newest_violation(client: Client) -> int:
    """The highest id that exists where they are given from 1 without gaps; or some other, or 0."""
    powers = [2**power for power in range(_HIGHEST_POWER)]
    known = max((number for number in powers if _exists(client, number)), default=0)
    unknown = max(1, known * 2)
    while unknown - known > 1:
        middle = (known + unknown) // 2
        known, unknown = (middle, unknown) if _exists(client, middle) else (known, middle)
    return known


def _exists(client: Client, violation_id: int) -> bool:
    """Whether either arm has this violation: legacy knows the newest 1,000 only."""
    path = f"/records/violations/{violation_id}"
    return any(_get(client, path, dict, force) is not None for force in ("true", "false"))


def _get(client: Client, path: str, kind: type[_T], force: str = "false") -> _T | None:
    """What is answered, by legacy where that is granted; None unless it is what was asked for."""
    separator = "&" if "?" in path else "?"
    reply = client.get(f"/api/v1{path}{separator}{FORCE_PARAMETER}={force}")
    if reply.status != HTTPStatus.OK:
        return None
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
