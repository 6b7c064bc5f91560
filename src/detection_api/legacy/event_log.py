"""The JSONL event log, read backwards from its tail."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from detection_api.legacy.json_values import finite_or_zero, is_name, moment

BLOCK = 256 * 1024
"""Bytes read at a time."""

MAX_LINE = 1 << 20
"""The maximum length of a line, in bytes; longer lines are malformed."""

MAX_LEVELS = 100
"""The maximum depth of JSON; deeper JSON is malformed."""

_INT64 = range(-(2**63), 2**63)
_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(slots=True)
class LoggedEvent:
    """One line of the log; `ts` in epoch seconds, `timestamp` the same in microseconds."""

    ts: float
    timestamp: datetime
    type: str
    camera_id: str
    track_id: int | None
    evidence: dict[str, Any]

    @property
    def confidence(self) -> float:
        """The evidence's confidence; 0.0 if it is not a number."""
        return finite_or_zero(self.evidence.get("confidence"))

    @property
    def region(self) -> str | None:
        """The evidence's region; None if it is not text."""
        region = self.evidence.get("region")
        return region if isinstance(region, str) else None


def newest(path: Path, lines: int) -> Iterator[LoggedEvent]:
    """Yield the events in the last `lines` lines of the log at `path`, the last line first.

    Skips malformed lines, and a last line that is still being written. A missing log is empty.
    Raises OSError if the log cannot be read.
    """
    for line in islice(_lines_backwards(path), lines):
        event = parse(line)
        if event is not None:
            yield event


def parse(line: bytes) -> LoggedEvent | None:
    """Return the event in `line`; None if there is none."""
    # PostgreSQL cannot store the null character, so neither implementation accepts it.
    if len(line) > MAX_LINE or rb"\u0000" in line:
        return None
    try:
        entry = msgspec.json.decode(line)
    except _UNDECODABLE:
        return None
    if not isinstance(entry, dict) or (_may_be_deep(line) and _is_deep(entry, MAX_LEVELS)):
        return None
    return _event(entry)


def _may_be_deep(line: bytes) -> bool:
    return line.count(b"{") + line.count(b"[") > MAX_LEVELS


def _is_deep(value: object, levels_left: int) -> bool:
    """Return True if `value` is nested deeper than `levels_left`."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels_left == 0 or any(_is_deep(inner, levels_left - 1) for inner in value)


def _event(entry: dict[str, Any]) -> LoggedEvent | None:
    timestamp = moment(entry.get("ts"))
    kind, camera_id = entry.get("type"), entry.get("camera_id")
    track_id, evidence = entry.get("track_id"), entry.get("evidence")
    if (
        timestamp is None
        or not is_name(kind)
        or not is_name(camera_id)
        or not (track_id is None or _is_int64(track_id))
        or not (evidence is None or isinstance(evidence, dict))
    ):
        return None
    return LoggedEvent(float(entry["ts"]), timestamp, kind, camera_id, track_id, evidence or {})


def _is_int64(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in _INT64


def _lines_backwards(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as log:
            lines = _pieces_backwards(log)
            next(lines, None)  # the part after the last newline: empty, or a line being written
            yield from lines
    except FileNotFoundError:
        return


def _pieces_backwards(log: BinaryIO) -> Iterator[bytes]:
    """Yield the pieces between newlines, the last one first, of the log as it was when opened.

    A piece longer than MAX_LINE is cut, to a length that still exceeds MAX_LINE.
    """
    position = log.seek(0, os.SEEK_END)
    tail = b""
    while position > 0:
        size = min(BLOCK, position)
        position -= size
        log.seek(position)
        block = log.read(size)
        if len(block) < size:  # the log was truncated during the read
            return
        head, *pieces = (block + tail).split(b"\n")
        yield from reversed(pieces)
        tail = head[: MAX_LINE + 1]  # already too long for a line
    yield tail
