"""Lines of the event log: bytes in, events and malformed lines out; no I/O."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from detection_api.db import month_of
from detection_api.ingest.json_values import MAX_NAME, finite_or_zero, is_moment, is_name

MAX_LINE = 1 << 20
"""The maximum length of a line, in bytes; longer lines are malformed."""
MAX_LEVELS = 100
"""The maximum depth of JSON; deeper JSON is malformed, because some readers reject it."""
EXCERPT = 100
"""Maximum length of the excerpt of a malformed line, in bytes."""
SHOWN = 5
"""Maximum number of malformed lines that are shown; all are counted."""

_NOTHING, _HOUR = timedelta(0), timedelta(hours=1)
_INT64 = range(-(2**63), 2**63)


class ParsedEvent(msgspec.Struct, frozen=True):
    """One event, as the `events` table keeps it; `evidence` is JSON."""

    timestamp: datetime
    ts: float
    type: str
    camera_id: str
    track_id: int | None
    confidence: float
    region: str | None
    evidence: bytes


class Malformed(msgspec.Struct, frozen=True):
    """A line that is not an event: its offset in the file, the reason, and an excerpt."""

    offset: int
    reason: str
    excerpt: str


class MalformedError(ValueError):
    """A line is not an event; the message is the reason."""


@dataclass(slots=True)
class Parsed:
    """The content of one chunk of the log; `size` is its length in bytes.

    `lines` includes blank lines; `shown` has the first malformed lines.
    """

    size: int = 0
    lines: int = 0
    events: list[ParsedEvent] = field(default_factory=list)
    malformed: int = 0
    shown: list[Malformed] = field(default_factory=list)

    def hourly_counts(self) -> Counter[tuple[datetime, str, str]]:
        """Return the number of events by hour, camera id and type."""
        counts: Counter[tuple[datetime, str, str]] = Counter()
        hour = datetime.min.replace(tzinfo=UTC)
        for event in self.events:
            if not _NOTHING <= event.timestamp - hour < _HOUR:  # rare, because a log is in order
                hour = event.timestamp.replace(minute=0, second=0, microsecond=0)
            counts[hour, event.camera_id, event.type] += 1
        return counts

    def months(self) -> set[date]:
        """Return the months that have events."""
        return {month_of(event.timestamp) for event in self.events}


def parse(content: bytes, *, offset: int, size: int) -> Parsed:
    """Parse whole lines that start at byte `offset` of their file and are `size` bytes long.

    `content` may be cut if it is a single line of more than MAX_LINE bytes.
    """
    parsed = Parsed(size=size)
    for line in content.removesuffix(b"\n").split(b"\n"):
        parsed.lines += 1
        if line and not line.isspace():
            try:
                parsed.events.append(parse_event(line))
            except MalformedError as error:
                parsed.malformed += 1
                if len(parsed.shown) < SHOWN:
                    parsed.shown.append(Malformed(offset, str(error), excerpt(line)))
        offset += len(line) + 1
    return parsed


def excerpt(line: bytes) -> str:
    """Return the beginning of `line`, safe to print."""
    beginning = ascii(line[:EXCERPT].decode("utf-8", "replace"))[1:-1]
    return beginning + "..." if len(line) > EXCERPT else beginning


def parse_event(line: bytes) -> ParsedEvent:
    """Return the event in `line`; raises MalformedError if there is none."""
    if len(line) > MAX_LINE:
        raise MalformedError(f"longer than {MAX_LINE} bytes")
    if rb"\u0000" in line:
        raise MalformedError(r"contains \u0000")
    try:
        fields = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"not JSON: {error}") from error
    _check(fields)
    if line.count(b"{") + line.count(b"[") > MAX_LEVELS and _is_deeper(fields, MAX_LEVELS):
        raise MalformedError(f"nested deeper than {MAX_LEVELS} levels")
    ts = float(fields["ts"])
    evidence = fields.get("evidence") or {}
    region = evidence.get("region")
    return ParsedEvent(
        timestamp=datetime.fromtimestamp(ts, UTC),
        ts=ts,
        type=fields["type"],
        camera_id=fields["camera_id"],
        track_id=fields.get("track_id"),
        confidence=finite_or_zero(evidence.get("confidence")),
        region=region if isinstance(region, str) else None,
        evidence=msgspec.json.encode(evidence),
    )


def _is_deeper(value: Any, levels: int) -> bool:
    """Return True if `value` is nested deeper than `levels`."""
    if not isinstance(value, dict | list):
        return False
    members = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(member, levels - 1) for member in members)


def _check(fields: Any) -> None:
    """Raise MalformedError unless `fields` are those of an event."""
    if type(fields) is not dict:
        raise MalformedError("not an object")
    if not is_moment(fields.get("ts")):
        raise MalformedError("ts is not a time")
    for name in ("type", "camera_id"):
        if not is_name(fields.get(name)):
            raise MalformedError(f"{name} is not a text of 1 to {MAX_NAME} characters")
    track_id = fields.get("track_id")
    if track_id is not None and not (type(track_id) is int and track_id in _INT64):
        raise MalformedError("track_id is not a whole number of 64 bits")
    evidence = fields.get("evidence")
    if evidence is not None and type(evidence) is not dict:
        raise MalformedError("evidence is not an object")
