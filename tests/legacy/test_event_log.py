"""Legacy reads the event log backwards from its end, and no more of it than it was asked for."""

import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detection_api.legacy import event_log
from detection_api.legacy.event_log import LoggedEvent
from tests.world import event


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def line(track_id: int, **fields: object) -> bytes:
    return msgspec.json.encode(event(1.0, track_id=track_id, **fields)) + b"\n"


def write(log: Path, lines: Iterable[bytes], mode: str = "wb") -> None:
    with log.open(mode) as stream:
        stream.writelines(lines)


def track_ids(events: Iterator[LoggedEvent]) -> list[int | None]:
    return [event.track_id for event in events]


def bytes_read() -> int:
    counters = Path("/proc/self/io").read_text().splitlines()
    return int(dict(counter.split(": ") for counter in counters)["rchar"])


def test_a_missing_log_is_empty(log: Path) -> None:
    assert list(event_log.newest(log, 10)) == []


def test_a_log_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        list(event_log.newest(tmp_path, 10))


def test_an_empty_log_has_no_events(log: Path) -> None:
    write(log, [])
    assert list(event_log.newest(log, 10)) == []


def test_the_last_line_comes_first(log: Path) -> None:
    write(log, map(line, range(5)))
    assert track_ids(event_log.newest(log, 10)) == [4, 3, 2, 1, 0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.integers(0, 9).map(line) | st.binary(max_size=5).map(lambda b: b + b"\n")),
    block=st.integers(1, 200),
    longest=st.integers(1, 200),
)
def test_lines_are_whole_wherever_blocks_part_them(
    log: Path, monkeypatch: pytest.MonkeyPatch, lines: list[bytes], block: int, longest: int
) -> None:
    monkeypatch.setattr(event_log, "BLOCK", block)
    monkeypatch.setattr(event_log, "MAX_LINE", longest)
    write(log, lines)
    parsed = [event_log.parse(piece) for piece in b"".join(lines).split(b"\n")[:-1]]
    expected = [event for event in reversed(parsed) if event is not None]
    assert list(event_log.newest(log, 1000)) == expected


def test_a_line_of_several_blocks_is_one_line(log: Path) -> None:
    long = line(1, evidence={"text": "x" * 3 * event_log.BLOCK})
    write(log, [line(0), long, line(2)])
    assert track_ids(event_log.newest(log, 10)) == [2, 1, 0]


def test_lines_that_hold_no_event_are_lines_all_the_same(log: Path) -> None:
    write(log, [line(0), line(1), b"{\n", b"\n"])
    assert track_ids(event_log.newest(log, 3)) == [1]


def test_only_the_end_of_a_long_log_is_read(log: Path) -> None:
    with log.open("wb") as stream:
        stream.truncate(10 * 2**30)
    write(log, [b"\n", *map(line, range(100))], mode="ab")
    before = bytes_read()
    assert len(list(event_log.newest(log, 100))) == 100
    assert bytes_read() - before < 2 * event_log.BLOCK


def test_an_enormous_line_is_one_malformed_line_and_not_held_in_memory(log: Path) -> None:
    """Memory of a constant size is time in proportion to the line: no block is copied for ever."""
    write(log, [line(0)])
    with log.open("r+b") as stream:
        stream.truncate(log.stat().st_size + 2**26)
    write(log, [b"\n", line(1)], mode="ab")
    tracemalloc.start()
    try:
        assert track_ids(event_log.newest(log, 3)) == [1, 0]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**23
    assert track_ids(event_log.newest(log, 2)) == [1]


def test_a_line_that_is_still_being_written_is_left_for_later(log: Path) -> None:
    write(log, [line(0), line(1)[:-1]])
    assert track_ids(event_log.newest(log, 10)) == [0]
    write(log, [b"\n"], mode="ab")
    assert track_ids(event_log.newest(log, 10)) == [1, 0]


def test_what_is_appended_meanwhile_is_left_for_later(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "BLOCK", 10)
    write(log, map(line, range(3)))
    events = event_log.newest(log, 10)
    assert next(events).track_id == 2
    write(log, map(line, range(3, 6)), mode="ab")
    assert track_ids(events) == [1, 0]


def test_a_log_that_is_rotated_meanwhile_is_read_to_its_end(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "BLOCK", 10)
    write(log, map(line, range(3)))
    events = event_log.newest(log, 10)
    assert next(events).track_id == 2
    log.rename(log.with_suffix(".1"))
    write(log, [line(9)])
    assert track_ids(events) == [1, 0]
    assert track_ids(event_log.newest(log, 10)) == [9]


def test_a_log_that_is_truncated_meanwhile_ends_there(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "BLOCK", 10)
    write(log, map(line, range(3)))
    events = event_log.newest(log, 10)
    assert next(events).track_id == 2
    write(log, [line(9)])
    assert track_ids(events) == []


@pytest.mark.parametrize(("levels", "is_event"), [(98, True), (99, False), (900, False)])
def test_a_line_that_is_nested_too_deep_is_no_event(levels: int, is_event: bool) -> None:
    """The line's object and its evidence are two levels of the hundred."""
    deep = b"[" * levels + b"]" * levels
    line = b'{"ts": 1, "type": "T", "camera_id": "c", "evidence": {"a": %b}}' % deep
    assert (event_log.parse(line) is not None) == is_event


def test_many_brackets_side_by_side_are_not_deep() -> None:
    points = b",".join([b"[1, 2]"] * 500)
    line = b'{"ts": 1, "type": "T", "camera_id": "c", "evidence": {"polygon": [%b]}}' % points
    assert event_log.parse(line) is not None
