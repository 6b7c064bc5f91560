"""The data of the demo's cameras for any period; the same seed gives the same data.

Each minute of each camera has its own random generator, so a detector can start at any time.
Times are epoch seconds. A period (since, until] excludes its start and includes its end, so
adjacent periods do not overlap.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

import msgspec

from detection_api.dev.demo.rota import visits_per_minute
from detection_api.dev.demo.visits import (
    LONGEST,
    SELDOM,
    EventType,
    SimulatedEvent,
    SimulatedViolation,
    Visit,
    simulate_visit,
)

CAMERAS = {"cam0": 25.0, "vid1": 12.5}
"""Frames per second, by camera."""
DEFAULT_SEED = 1
MINUTE = 60
"""Seconds."""
SELF_CHECK_INTERVAL = 1800
"""Seconds between two self-checks, which give events even in the quietest night."""
MALFORMED_SHARE = 1 / 800
"""Share of minutes in which a detector writes a malformed line."""

_HANDWASHES = frozenset({EventType.HANDWASH_COMPLETED, EventType.HANDWASH_TOO_SHORT})
_MALFORMED = (
    b'{"ts": %.3f, "type": "HANDWASH_ST',
    b'{"ts": %.3f, "type": "PERSON_ENTERED", "track_id": 4}',
    b'{"ts": "%.3f", "type": "SANITIZE", "camera_id": "cam0", "track_id": 4}',
    b"[ WARN] %.3f: frame queue is full, dropping",
)


class SimulatedRecord(NamedTuple):
    """A row of `detection_records`, in the order that `tables.py` inserts."""

    camera_id: str
    timestamp: datetime
    frame_number: int | None
    person_count: int
    hairnet_violations: int
    handwash_events: int
    sanitize_events: int
    fps: float | None
    processing_time: float | None


class _Minute(NamedTuple):
    visits: tuple[Visit, ...]
    malformed: tuple[tuple[float, bytes], ...]


@dataclass(frozen=True, slots=True)
class World:
    """The simulated factory of a seed."""

    seed: int = DEFAULT_SEED

    def lines(self, since: float, until: float) -> list[bytes]:
        """Return the lines of the event log, in order of time, with line ends."""
        lines: list[tuple[float, bytes]] = []
        for camera_id in CAMERAS:
            events = [
                *self._events(camera_id, since, until),
                *_self_checks(camera_id, since, until),
            ]
            lines += [(event.ts, msgspec.json.encode(event)) for event in events]
            for minute in self._minutes(camera_id, since, until):
                lines += [(ts, text) for ts, text in minute.malformed if since < ts <= until]
        return [text + b"\n" for _, text in sorted(lines)]

    def records(self, since: float, until: float, *, every: int) -> list[SimulatedRecord]:
        """Return a detection record of each camera every `every` seconds, in order of time."""
        first, last = math.floor(since / every) + 1, math.floor(until / every)
        return [
            self._record(camera_id, number * every, every)
            for number in range(first, last + 1)
            for camera_id in CAMERAS
        ]

    def violations(self, since: float, until: float) -> list[SimulatedViolation]:
        """Return the violations of the period, as they are at its end, in order of time."""
        now = datetime.fromtimestamp(until, UTC)
        violations = [
            violation.as_of(now)
            for camera_id in CAMERAS
            for minute in self._minutes(camera_id, since, until)
            for visit in minute.visits
            for violation in visit.violations
            if since < violation.timestamp.timestamp() <= until
        ]
        return sorted(violations, key=lambda violation: violation.timestamp)

    def statistics(self, camera_id: str, at: float) -> dict[str, Any]:
        """Return the message that the detector of the camera publishes at `at`."""
        random = Random(f"{self.seed}/statistics/{camera_id}/{at:.0f}")  # noqa: S311 - no secret
        present = self._present(camera_id, at)
        frames = _frame_number(camera_id, at)
        data = {
            "persons": len(present),
            "hairnets": sum(not _breaks_hairnet_rule(visit) for visit in present),
            "handwash": sum(_is_washing(visit, at) for visit in present),
            "fps": _frame_rate(random, camera_id),
            "total_frames": frames,
            "processed_frames": frames - frames // 400,
            "avg_detection_time": _processing_time(random),
        }
        return {"type": "stats", "camera_id": camera_id, "timestamp": round(at, 3), "data": data}

    def _record(self, camera_id: str, at: int, span: int) -> SimulatedRecord:
        """Return the record of the `span` seconds before `at`."""
        random = Random(f"{self.seed}/record/{camera_id}/{at}")  # noqa: S311 - no secret
        taken = at - random.uniform(0, 0.2)
        types = [event.type for event in self._events(camera_id, at - span, at)]
        return SimulatedRecord(
            camera_id=camera_id,
            timestamp=datetime.fromtimestamp(taken, UTC),
            frame_number=_known(random, _frame_number(camera_id, taken)),
            person_count=len(self._present(camera_id, taken)),
            hairnet_violations=types.count(EventType.NO_HAIRNET_AT_SINK),
            handwash_events=sum(kind in _HANDWASHES for kind in types),
            sanitize_events=types.count(EventType.SANITIZE),
            fps=_known(random, _frame_rate(random, camera_id)),
            processing_time=_known(random, _processing_time(random)),
        )

    def _events(self, camera_id: str, since: float, until: float) -> Iterator[SimulatedEvent]:
        for minute in self._minutes(camera_id, since, until):
            for visit in minute.visits:
                yield from (event for event in visit.events if since < event.ts <= until)

    def _present(self, camera_id: str, at: float) -> list[Visit]:
        minutes = self._minutes(camera_id, at, at)
        return [visit for minute in minutes for visit in minute.visits if visit.is_present(at)]

    def _minutes(self, camera_id: str, since: float, until: float) -> Iterator[_Minute]:
        """Return the minutes whose visits may overlap the period."""
        first, last = math.floor((since - LONGEST) / MINUTE), math.floor(until / MINUTE)
        return (_minute(self.seed, camera_id, number) for number in range(first, last + 1))


@lru_cache(maxsize=64)
def _minute(seed: int, camera_id: str, number: int) -> _Minute:
    """Return the visits that start at a camera in the minute `number` since 1970."""
    random = Random(f"{seed}/{camera_id}/{number}")  # noqa: S311 - no secret
    start = number * MINUTE
    rate = visits_per_minute(datetime.fromtimestamp(start, UTC))
    arrivals = _arrivals(random, rate)
    visits = tuple(
        simulate_visit(random, camera_id, number % 100_000 * 10 + index, start + seconds)
        for index, seconds in enumerate(arrivals)
    )
    malformed: tuple[tuple[float, bytes], ...] = ()
    if random.random() < MALFORMED_SHARE:
        ts = start + random.uniform(0, MINUTE)
        malformed = ((ts, random.choice(_MALFORMED) % ts),)
    return _Minute(visits, malformed)


def _arrivals(random: Random, rate: float) -> Iterator[float]:
    """Yield the seconds of a minute at which visits start, `rate` on average."""
    seconds = random.expovariate(rate / MINUTE)
    while seconds < MINUTE:
        yield seconds
        seconds += random.expovariate(rate / MINUTE)


def _self_checks(camera_id: str, since: float, until: float) -> Iterator[SimulatedEvent]:
    first, last = (math.floor(moment / SELF_CHECK_INTERVAL) for moment in (since, until))
    for number in range(first + 1, last + 1):
        yield SimulatedEvent(
            float(number * SELF_CHECK_INTERVAL), EventType.SELF_CHECK, camera_id, None, None
        )


def _breaks_hairnet_rule(visit: Visit) -> bool:
    return any(event.type is EventType.NO_HAIRNET_AT_SINK for event in visit.events)


def _is_washing(visit: Visit, at: float) -> bool:
    types = [event.type for event in visit.events if event.ts <= at]
    return types[-1] is EventType.HANDWASH_STARTED


def _frame_number(camera_id: str, at: float) -> int:
    """Return the frame number, which detectors count from midnight."""
    return int(at % 86_400 * CAMERAS[camera_id])


def _frame_rate(random: Random, camera_id: str) -> float:
    return round(CAMERAS[camera_id] * random.uniform(0.97, 1), 2)


def _processing_time(random: Random) -> float:
    return round(random.uniform(0.016, 0.034), 4)


def _known(random: Random, value: float) -> Any:
    """Return `value`, or None with probability SELDOM."""
    return value if random.random() >= SELDOM else None
