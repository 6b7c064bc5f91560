"""Lines of the event log: what is an event, what it says, and what is none."""

import math
from datetime import UTC, datetime
from typing import Any, TypeGuard

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from detection_api.ingest.event_lines import (
    MAX_LINE,
    SHOWN,
    Malformed,
    MalformedError,
    ParsedEvent,
    parse,
    parse_event,
)

VALID = {"ts": 1761900000.123, "type": "ENTER", "camera_id": "cam0"}


def _event(**fields: Any) -> ParsedEvent:
    return parse_event(msgspec.json.encode(VALID | fields))


def test_every_field_of_an_event_is_taken_over() -> None:
    evidence = {"z": [1, {"a": None}], "confidence": 0.91, "region": "sink"}
    event = _event(track_id=17, evidence=evidence)
    assert event == ParsedEvent(
        timestamp=datetime(2025, 10, 31, 8, 40, 0, 123000, UTC),
        ts=1761900000.123,
        type="ENTER",
        camera_id="cam0",
        track_id=17,
        confidence=0.91,
        region="sink",
        evidence=b'{"z":[1,{"a":null}],"confidence":0.91,"region":"sink"}',
    )


@pytest.mark.parametrize("fields", [{}, {"track_id": None, "evidence": None}], ids=str)
def test_what_is_absent_or_null_is_nothing(fields: dict[str, Any]) -> None:
    event = _event(**fields)
    assert (event.track_id, event.confidence, event.region) == (None, 0.0, None)
    assert event.evidence == b"{}"


@pytest.mark.parametrize("confidence", [True, "0.9", None, [0.9], 10**400])
def test_a_confidence_that_is_no_finite_number_is_zero(confidence: Any) -> None:
    line = b'{"ts":1,"type":"a","camera_id":"b","evidence":{"confidence":%b}}'
    assert parse_event(line % _json(confidence)).confidence == 0.0


def _json(value: Any) -> bytes:
    return b"%d" % value if type(value) is int else msgspec.json.encode(value)


def test_a_region_that_is_no_text_is_none() -> None:
    assert _event(evidence={"region": 3}).region is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"[]", "not an object"),
        (b"{", "not JSON"),
        (b'{"ts":1,"type":"\xff","camera_id":"b"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (rb'{"ts":1,"type":"a","camera_id":"b","evidence":{"a":"\u0000"}}', r"contains \u0000"),
        (b"{" + b" " * MAX_LINE + b"}", "longer than 1048576 bytes"),
    ],
    ids=["array", "torn", "not UTF-8", "too deep", "null character", "too long"],
)
def test_a_line_that_is_no_object_is_malformed(line: bytes, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason.replace("\\", r"\\")):
        parse_event(line)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ts", None),
        ("ts", "1761900000"),
        ("ts", True),
        ("ts", -0.001),
        ("ts", 253402300800),
        ("type", ""),
        ("type", 3),
        ("type", "x" * 256),
        ("camera_id", None),
        ("track_id", "17"),
        ("track_id", 17.0),
        ("track_id", True),
        ("track_id", 2**63),
        ("evidence", []),
        ("evidence", ""),
        ("evidence", False),
    ],
)
def test_a_field_out_of_bounds_is_malformed_and_named(field: str, value: Any) -> None:
    with pytest.raises(MalformedError, match=f"^{field} "):
        _event(**{field: value})


@pytest.mark.parametrize("missing", sorted(VALID))
def test_a_required_field_that_is_missing_is_malformed(missing: str) -> None:
    fields = {name: value for name, value in VALID.items() if name != missing}
    with pytest.raises(MalformedError, match=f"^{missing} "):
        parse_event(msgspec.json.encode(fields))


def test_malformed_lines_are_counted_and_the_first_are_shown_with_their_place() -> None:
    good = msgspec.json.encode(VALID)
    bad = b'{"\xe9\x1b[31m' + b"x" * 200
    parsed = parse(b"\n".join([good, b"", b" \t\r", bad, *[b"x"] * 9, b""]), offset=1000, size=0)
    assert (parsed.lines, len(parsed.events), parsed.malformed) == (13, 1, 10)
    assert len(parsed.shown) == SHOWN
    first, second = parsed.shown[:2]
    assert first.offset == 1000 + len(good) + 1 + 1 + 4
    assert first.excerpt == r'{"\ufffd\x1b[31m' + "x" * 92 + "..."
    assert second == Malformed(first.offset + len(bad) + 1, second.reason, "x")


def test_the_hour_is_that_of_the_timestamp_not_of_the_seconds() -> None:
    """Microseconds round up into the next hour, and the count must be where the event is."""
    parsed = parse(b'{"ts":3599.9999999,"type":"a","camera_id":"b"}\n', offset=0, size=0)
    assert parsed.events[0].timestamp == datetime(1970, 1, 1, 1, tzinfo=UTC)
    assert parsed.hourly_counts() == {(datetime(1970, 1, 1, 1, tzinfo=UTC), "b", "a"): 1}


_name = st.text(min_size=1, max_size=5) | st.just("x" * 255)
_number = st.integers() | st.floats()
_scalar = st.none() | st.booleans() | _number | st.sampled_from(["", "sink", "x" * 256])
_value = _scalar | st.lists(_scalar, max_size=2) | st.dictionaries(_name, _scalar, max_size=2)
_evidence = st.dictionaries(st.sampled_from(["confidence", "region", "z", "a"]), _value)
_good = st.fixed_dictionaries(
    {
        "ts": st.floats(0, 253402300799) | st.integers(0, 253402300799),
        "type": _name,
        "camera_id": _name,
    },
    optional={
        "track_id": st.none() | st.integers(-(2**63), 2**63 - 1),
        "evidence": st.none() | _evidence,
    },
)
_odd = st.dictionaries(
    st.sampled_from(["ts", "type", "camera_id", "track_id", "evidence"]), _value, max_size=1
)
_fields = st.builds(lambda good, odd: good | odd, _good, _odd)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_event(fields: dict[str, Any]) -> bool:
    """The definition of an event, word by word."""
    ts, track_id = fields.get("ts"), fields.get("track_id")
    return (
        r"\u0000" not in msgspec.json.encode(fields).decode()
        and _is_number(ts)
        and math.isfinite(ts)
        and 0 <= ts < 253402300800
        and all(isinstance(fields.get(k), str) for k in ("type", "camera_id"))
        and all(1 <= len(fields[k]) <= 255 for k in ("type", "camera_id"))
        and (
            track_id is None
            or (
                isinstance(track_id, int)
                and not isinstance(track_id, bool)
                and -(2**63) <= track_id < 2**63
            )
        )
        and isinstance(fields.get("evidence"), dict | None)
    )


@given(_fields)
@example({"ts": 253402300799.99997, "type": "a", "camera_id": "b"})
@example({"ts": -0.0, "type": "a", "camera_id": "b"})
def test_exactly_the_lines_that_fit_the_definition_are_events(fields: dict[str, Any]) -> None:
    line = msgspec.json.encode(fields)
    fields = msgspec.json.decode(line)
    if not _is_event(fields):
        with pytest.raises(MalformedError):
            parse_event(line)
        return
    event = parse_event(line)
    evidence = fields.get("evidence") or {}
    assert (event.type, event.camera_id) == (fields["type"], fields["camera_id"])
    assert str(event.ts) == str(float(fields["ts"]))
    assert event.timestamp == datetime.fromtimestamp(float(fields["ts"]), UTC)
    assert event.track_id == fields.get("track_id")
    confidence = evidence.get("confidence")
    assert event.confidence == (float(confidence) if _is_number(confidence) else 0.0)
    region = evidence.get("region")
    assert event.region == (region if isinstance(region, str) else None)
    assert list(msgspec.json.decode(event.evidence).items()) == list(evidence.items())


@given(st.binary(max_size=60) | st.builds(lambda a, b: a + b, st.binary(), st.just(b"\\u0000")))
def test_no_bytes_at_all_break_the_parser(content: bytes) -> None:
    parsed = parse(content + b"\n", offset=0, size=0)
    blank = sum(not line.strip() for line in content.split(b"\n"))
    assert parsed.lines == content.count(b"\n") + 1
    assert len(parsed.events) + parsed.malformed + blank == parsed.lines


@pytest.mark.parametrize(("levels", "is_event"), [(98, True), (99, False), (900, False)])
def test_a_line_that_is_nested_too_deep_is_malformed(levels: int, is_event: bool) -> None:
    """The line's object and its evidence are two levels of the hundred."""
    deep = b"[" * levels + b"]" * levels
    line = b'{"ts": 1, "type": "T", "camera_id": "c", "evidence": {"a": %b}}' % deep
    parsed = parse(line + b"\n", offset=0, size=len(line) + 1)
    assert (len(parsed.events), parsed.malformed) == ((1, 0) if is_event else (0, 1))


def test_many_brackets_side_by_side_are_not_deep() -> None:
    points = b",".join([b"[1, 2]"] * 500)
    line = b'{"ts": 1, "type": "T", "camera_id": "c", "evidence": {"polygon": [%b]}}' % points
    assert len(parse(line, offset=0, size=len(line)).events) == 1
