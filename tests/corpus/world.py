"""The data that both arms of the corpus look at: pure functions of simulated seconds.

Some rows and cameras never change, others change every second. Legacy reads at `now`. The domain
reads what was ingested by then, which is at most INGESTION_LAG seconds older.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from werkzeug.exceptions import NotFound

START = datetime(2026, 11, 25, 12, tzinfo=UTC)
INGESTION_LAG = 1.8
"""Seconds; below the settling time of the canary."""
INGESTION_PERIOD = 1.6
"""Seconds between two ingestions."""
OLD_ROWS = 60
TAIL = 1000
"""Rows that legacy can see: the end of its log."""
FIRST_ID = 1000
VIOLATIONS = 40

Answer = Any


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera, the seconds between its rows, and the seconds between its counters' steps."""

    name: str
    row_period: float | None
    step: float | None
    location: str | None
    is_active: bool = True


CAMERAS: Mapping[str, Camera] = {
    camera.name: camera
    for camera in (
        Camera("cam0", 4, 0.5, "hall"),
        Camera("cam1", 45, 30, "gate"),
        Camera("cam2", None, None, None),
        Camera("cam3", None, None, "roof", is_active=False),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """Rows that cam0 logs at once: `rows` of them, `per_second`, from second `at` on."""

    at: float
    rows: int = 50_000
    per_second: int = 5_000

    def logged(self, now: float) -> int:
        """Return how many of its rows there are at `now`."""
        return max(0, min(self.rows, int((now - self.at) * self.per_second)))


@dataclass(slots=True, kw_only=True)
class World:
    """What is true at each simulated second; `start` is the wall clock at second 0."""

    start: datetime = START
    burst: Burst | None = None
    replica_lag: float = 0.0

    def ingested(self, now: float) -> float:
        """Return the second up to which the domain's database has everything."""
        periods = now // INGESTION_PERIOD
        behind = INGESTION_LAG - INGESTION_PERIOD
        return periods * INGESTION_PERIOD - behind - self.replica_lag

    def at(self, seconds: float) -> datetime:
        """Return the wall clock at a second."""
        return self.start + timedelta(seconds=seconds)

    def _newest(self, camera: Camera, now: float) -> int:
        """Return the number of the newest row of a camera; the oldest has -OLD_ROWS."""
        moved = int(now // camera.row_period) if camera.row_period else -1
        burst = self.burst.logged(now) if self.burst and camera.name == "cam0" else 0
        return moved + burst


def records(
    world: World,
    now: float,
    *,
    camera_id: str,
    limit: int,
    cursor: int | None,
    status: str | None,
    oldest: int = -OLD_ROWS,
) -> Answer:
    """Return a page of a camera's rows, newest first, and how many match in all."""
    camera = CAMERAS.get(camera_id)
    if camera is None or camera_id == "cam3":
        return {"records": [], "total": 0}
    newest = world._newest(camera, now)
    first = newest if cursor is None else min(newest, cursor - FIRST_ID - 1)
    chosen: list[dict[str, Any]] = []
    for number in range(first, oldest - 1, -1):
        if len(chosen) == limit:
            break
        if status in (None, _status(number)):
            chosen.append(_row(world, camera, number))
    return {"records": chosen, "total": _count(oldest, newest, status)}


def records_in_tail(world: World, now: float, *, camera_id: str, **query: Any) -> Answer:
    """Return what `records` does, as far as the newest TAIL rows show it."""
    camera = CAMERAS.get(camera_id)
    newest = 0 if camera is None else world._newest(camera, now)
    oldest = max(-OLD_ROWS, newest - TAIL + 1)
    return records(world, now, camera_id=camera_id, oldest=oldest, **query)


def _status(number: int) -> str:
    return "closed" if number % 3 == 0 else "open"


def _count(oldest: int, newest: int, status: str | None) -> int:
    count = newest - oldest + 1
    closed = newest // 3 - (oldest - 1) // 3
    return {None: count, "closed": closed, "open": count - closed}[status]


def _row(world: World, camera: Camera, number: int) -> dict[str, Any]:
    return {
        "id": FIRST_ID + number,
        "camera_id": camera.name,
        "timestamp": world.at(number * (camera.row_period or 10)),
        "persons": number * 7 % 5,
        "fps": 24.0 + number % 4 / 2,
        "note": None if number % 4 else f"note {number}",
        "status": _status(number),
    }


def cameras(
    world: World, now: float, *, active_only: bool, site: str | None, names: Sequence[str]
) -> Answer:
    """Return the cameras with their live counters."""
    wanted = names or list(CAMERAS)
    chosen = [CAMERAS[name] for name in wanted if name in CAMERAS]
    kept = [c for c in chosen if (c.is_active or not active_only) and site in (None, c.location)]
    return {"cameras": [_live(world, camera, now) for camera in kept]}


def stats(world: World, now: float, *, camera_id: str) -> Answer:
    """Return the live counters of one camera; raises NotFound if there is none."""
    if camera_id not in CAMERAS:
        raise NotFound(camera_id)
    return _live(world, CAMERAS[camera_id], now)


def _live(world: World, camera: Camera, now: float) -> dict[str, Any]:
    steps = int(now // camera.step) if camera.step else 0
    return {
        "id": camera.name,
        "name": f"camera {camera.name}",
        "location": camera.location,
        "active": camera.is_active,
        "frames": 100_000 + 25 * steps,
        "persons": 4_000 + steps // 3,
        "rate": 24.0 + steps % 7 / 4 if camera.step else 25.0,
        "seen_at": world.at(steps * camera.step) if camera.step else None,
    }


def daily(world: World, now: float, *, days: int, hours_ahead: int) -> Answer:
    """Return events by day for the last `days` days, as a zone `hours_ahead` of UTC has them."""
    shift = timedelta(hours=hours_ahead)
    today = (world.at(now) + shift).date()
    first = (world.start + shift).date()
    return [
        _day(world, now, (today - timedelta(days=back)), first, shift)
        for back in range(days - 1, -1, -1)
    ]


def _day(world: World, now: float, day: Any, first: Any, shift: timedelta) -> dict[str, Any]:
    """Return the events of one day: one type every 20 seconds, another every minute."""
    counts: dict[str, int] = {}
    if day >= first:
        midnight = datetime.combine(day, datetime.min.time(), UTC) - shift
        begins = max(0.0, (midnight - world.start).total_seconds())
        until = min(now, (midnight - world.start).total_seconds() + 86_400)
        grown = {"A": 20, "B": 60}
        counts = {k: int(until // step) - int(begins // step) for k, step in grown.items()}
        counts = {k: n + (7 if day == first else 0) for k, n in counts.items()}
    elif day.toordinal() % 2:
        counts = {"A": 3 + day.day, "C": 2}
    return {
        "date": day,
        "total": sum(counts.values()),
        "counts": {k: n for k, n in counts.items() if n},
    }


def violation(world: World, now: float, *, number: int) -> Answer:
    """Return a violation, which never changes; raises NotFound if there is none."""
    if not 0 <= number < VIOLATIONS or number % 10 == 9:
        raise NotFound(f"no violation {number}")
    handled = number % 2 == 0
    return {
        "id": number,
        "camera_id": f"cam{number % 4}",
        "timestamp": world.at(-60.0 * number),
        "kind": "no_hairnet" if number % 3 else "no_gloves",
        "confidence": 0.5 + number / 100,
        "handled_by": "ann" if handled else None,
        "notes": f"seen by {number}" if handled else None,
        "tags": ["night", "zone"] if number % 5 == 0 else [],
    }


READS: Mapping[str, Callable[..., Answer]] = {
    "records": records,
    "cameras": cameras,
    "stats": stats,
    "daily": daily,
    "violation": violation,
}
"""What answers each endpoint from the world."""
