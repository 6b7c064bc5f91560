"""Simulate the visit of one person to a hygiene station, as a detector reports it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any, NamedTuple, TypeVar

import msgspec

T = TypeVar("T")

LONGEST = 120.0
"""Every visit is shorter than this, in seconds."""
ENOUGH_WASHING = 20.0
"""Minimum duration of a handwash, in seconds."""
SELDOM, SOMETIMES = 0.03, 0.1
"""The share of missing values: SELDOM in events and records, SOMETIMES in violations."""


class EventType(StrEnum):
    """The types of events that detectors write to the event log."""

    PERSON_ENTERED = "PERSON_ENTERED"
    PERSON_LEFT = "PERSON_LEFT"
    HANDWASH_STARTED = "HANDWASH_STARTED"
    HANDWASH_COMPLETED = "HANDWASH_COMPLETED"
    HANDWASH_TOO_SHORT = "HANDWASH_TOO_SHORT"
    SANITIZE = "SANITIZE"
    NO_HAIRNET_AT_SINK = "NO_HAIRNET_AT_SINK"
    NO_HANDWASH = "NO_HANDWASH"
    NO_SANITIZE = "NO_SANITIZE"
    SELF_CHECK = "SELF_CHECK"


class SimulatedEvent(msgspec.Struct, frozen=True):
    """A line of the event log; `ts` in epoch seconds, `evidence` may be missing."""

    ts: float
    type: EventType
    camera_id: str
    track_id: int | None
    evidence: Mapping[str, Any] | msgspec.UnsetType | None = msgspec.UNSET


class SimulatedViolation(NamedTuple):
    """A row of `violation_events`, in the order that `tables.py` inserts."""

    camera_id: str
    timestamp: datetime
    violation_type: str
    track_id: int | None
    confidence: float | None
    status: str
    snapshot_path: str | None
    bbox: Mapping[str, int] | None
    handled_at: datetime | None
    handled_by: str | None
    notes: str | None

    def as_of(self, now: datetime) -> "SimulatedViolation":
        """Return the violation as it was at `now`: pending if it was handled later."""
        if self.handled_at is None or self.handled_at <= now:
            return self
        return self._replace(status="pending", handled_at=None, handled_by=None, notes=None)


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of a person, from its first event to its last."""

    events: tuple[SimulatedEvent, ...]
    violations: tuple[SimulatedViolation, ...]

    def is_present(self, at: float) -> bool:
        """Return True if the person is present at `at`, in epoch seconds."""
        return self.events[0].ts <= at < self.events[-1].ts


_RULES = {
    EventType.NO_HAIRNET_AT_SINK: ("no_hairnet", 0.022),
    EventType.NO_HANDWASH: ("no_handwash", 0.018),
    EventType.NO_SANITIZE: ("no_sanitize", 0.018),
}
"""The violation that each event reports, and the share of visits that have it."""
_OUTCOMES = ("pending", "confirmed", "confirmed", "false_positive", "resolved")
_SUPERVISORS = ("a.keller", "m.rossi", "王芳", None)
_NOTES = ("Spoke with the shift lead.", "The net was there, under the hood.", None, None)


def simulate_visit(random: Random, camera_id: str, track_id: int, start: float) -> Visit:
    """Return a visit that starts at `start`, in epoch seconds; `random` makes every choice."""
    visit = _VisitBuilder(random, camera_id, track_id, start)
    visit.report(EventType.PERSON_ENTERED, "door")
    visit.wait(2, 6)
    visit.violates(EventType.NO_HAIRNET_AT_SINK, "sink")
    visit.wait(1, 4)
    if not visit.violates(EventType.NO_HANDWASH, "sink"):
        visit.wash()
    visit.wait(2, 8)
    if not visit.violates(EventType.NO_SANITIZE, "dispenser"):
        visit.report(EventType.SANITIZE, "dispenser")
    visit.wait(2, 5)
    visit.report(EventType.PERSON_LEFT, "door")
    return Visit(tuple(visit.events), tuple(visit.violations))


class _VisitBuilder:
    """Builds a visit, event by event."""

    def __init__(self, random: Random, camera_id: str, track_id: int, start: float) -> None:
        self.events: list[SimulatedEvent] = []
        self.violations: list[SimulatedViolation] = []
        self._random = random
        self._camera_id = camera_id
        self._track_id = track_id
        self._now = start

    def wait(self, shortest: float, longest: float) -> float:
        """Let `shortest` to `longest` seconds pass; return how many passed."""
        seconds = self._random.uniform(shortest, longest)
        self._now += seconds
        return seconds

    def report(self, kind: EventType, region: str, **details: object) -> None:
        """Add an event."""
        evidence = self._evidence(region, details)
        ts = round(self._now, 3)
        self.events.append(SimulatedEvent(ts, kind, self._camera_id, self._track_id, evidence))

    def wash(self) -> None:
        """Add the events of a handwash, long enough or too short."""
        self.report(EventType.HANDWASH_STARTED, "sink")
        seconds = self.wait(12, 45)
        enough = seconds >= ENOUGH_WASHING
        kind = EventType.HANDWASH_COMPLETED if enough else EventType.HANDWASH_TOO_SHORT
        self.report(kind, "sink", seconds=round(seconds, 1))

    def violates(self, kind: EventType, region: str) -> bool:
        """Decide at random if the visit violates the rule of `kind`; if so, add the violation."""
        violation_type, share = _RULES[kind]
        if self._random.random() >= share:
            return False
        self.report(kind, region)
        self.violations.append(self._violation(violation_type))
        return True

    def _evidence(
        self, region: str, details: Mapping[str, object]
    ) -> dict[str, object] | msgspec.UnsetType | None:
        """Return the evidence of an event; now and then a value or all of it is missing."""
        confidence = round(self._random.uniform(0.55, 0.995), 3)
        known = {"confidence": confidence, "region": region, **details}
        for name in ("confidence", "region"):
            if self._random.random() < SELDOM:
                del known[name]
        if self._random.random() < SELDOM:
            return self._random.choice((None, msgspec.UNSET))
        return known

    def _violation(self, violation_type: str) -> SimulatedViolation:
        random = self._random
        timestamp = datetime.fromtimestamp(round(self._now, 3), UTC)
        status = random.choice(_OUTCOMES)
        handled = status != "pending"
        handled_after = timedelta(seconds=random.uniform(600, 40 * 3600))
        snapshot = f"snapshots/{self._camera_id}/{timestamp:%Y%m%d-%H%M%S}.jpg"
        box = {"x": random.randrange(1500), "y": random.randrange(700), "width": 180, "height": 320}
        return SimulatedViolation(
            camera_id=self._camera_id,
            timestamp=timestamp,
            violation_type=violation_type,
            track_id=_mostly(random, self._track_id),
            confidence=_mostly(random, round(random.uniform(0.55, 0.995), 3)),
            status=status,
            snapshot_path=_mostly(random, snapshot),
            bbox=_mostly(random, box),
            handled_at=timestamp + handled_after if handled else None,
            handled_by=random.choice(_SUPERVISORS) if handled else None,
            notes=random.choice(_NOTES) if handled else None,
        )


def _mostly(random: Random, value: T) -> T | None:
    return value if random.random() >= SOMETIMES else None
