"""What both implementations promise about statistics over the event log."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.arms.conftest import Ask
from tests.world import NOW, World, event

TS = NOW.timestamp()
TODAY = NOW.date()
MIDNIGHT = datetime(2025, 10, 31, tzinfo=UTC).timestamp()
TICK = timedelta(microseconds=1)
EVENTS: dict[str, Any] = {
    "start_time": NOW - timedelta(hours=24),
    "end_time": NOW,
    "event_type": None,
    "camera_id": None,
    "limit": 100,
}
HISTORY: dict[str, Any] = {"since": NOW - timedelta(hours=1), "limit": 100, "camera_id": None}
MALFORMED = [
    b"",
    b"  \t\r",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"ts": 1e999, "type": "A", "camera_id": "c"}',
    b'{"ts": NaN, "type": "A", "camera_id": "c"}',
    b'{"ts": "1761902000", "type": "A", "camera_id": "c"}',
    b'{"ts": true, "type": "A", "camera_id": "c"}',
    b'{"ts": -1, "type": "A", "camera_id": "c"}',
    b'{"ts": 253402300800, "type": "A", "camera_id": "c"}',
    b'{"type": "A", "camera_id": "c"}',
    b'{"ts": 1761902000, "camera_id": "c"}',
    b'{"ts": 1761902000, "type": "", "camera_id": "c"}',
    b'{"ts": 1761902000, "type": 7, "camera_id": "c"}',
    b'{"ts": 1761902000, "type": "A"}',
    b'{"ts": 1761902000, "type": "A", "camera_id": ""}',
    b'{"ts": 1761902000, "type": "A", "camera_id": "%s"}' % (b"c" * 256),
    b'{"ts": 1761902000, "type": "A", "camera_id": null}',
    b'{"ts": 1761902000, "type": "A", "camera_id": "c", "track_id": 1.0}',
    b'{"ts": 1761902000, "type": "A", "camera_id": "c", "track_id": true}',
    b'{"ts": 1761902000, "type": "A", "camera_id": "c", "track_id": 9223372036854775808}',
    b'{"ts": 1761902000, "type": "A", "camera_id": "c", "evidence": []}',
    b'{"ts": 1761902000, "type": "A", "camera_id": "c", "evidence": {"a": "\\u0000"}}',
    b'{"ts": 1761902000, "type": "A", "camera_id": "c", "evidence": {"a": "\xed\xa0\x80"}}',
    b'{"ts": 1761902000, "type": "A", "camera_id": "c", "evidence": {"a": "\\ud800"}}',
    b'{"ts": 1761902000, "type": "A", "camera_id": "c"} {}',
    b'{"ts": 1761902000, "type": "A", "camera_id": "c"}'.ljust(2**20 + 1),
]


def counts(days: list[dict[str, Any]]) -> list[tuple[str, dict[str, int]]]:
    return [(day["date"], day["counts_by_type"]) for day in days]


def test_an_event_has_every_field_of_the_contract_in_its_order(world: World, ask: Ask) -> None:
    evidence = {"region": "洗手池", "confidence": 0.91, "bbox": [1, 2.5, None], "a": {"β": True}}
    world.log_events(event(TS - 0.877, track_id=17, evidence=evidence))
    page = ask("statistics.events", **EVENTS)
    assert list(page) == ["events", "total"]
    assert list(page["events"][0].items()) == [
        ("id", f"{TS - 0.877}_17"),
        ("timestamp", "2025-10-31T09:14:59.123000Z"),
        ("type", "NO_HAIRNET"),
        ("camera_id", "cam0"),
        ("confidence", 0.91),
        ("track_id", 17),
        ("region", "洗手池"),
        ("metadata", evidence),
    ]
    assert list(page["events"][0]["metadata"]) == ["region", "confidence", "bbox", "a"]


def test_a_history_item_has_every_field_of_the_contract_in_its_order(
    world: World, ask: Ask
) -> None:
    world.log_events(event(int(TS), track_id=-1, evidence={"region": "sink", "z": 1, "a": 2}))
    (item,) = ask("statistics.history", **HISTORY)
    assert list(item.items()) == [
        ("ts", TS),
        ("camera_id", "cam0"),
        ("type", "NO_HAIRNET"),
        ("track_id", -1),
        ("region", "sink"),
        ("detail", {"region": "sink", "z": 1, "a": 2}),
    ]
    assert isinstance(item["ts"], float)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, (0.0, None, {}), id="absent"),
        pytest.param({"evidence": None, "track_id": None}, (0.0, None, {}), id="null"),
        pytest.param({"evidence": {"confidence": 1}}, (1.0, None, {"confidence": 1}), id="whole"),
        pytest.param(
            {"evidence": {"confidence": True, "region": 5}},
            (0.0, None, {"confidence": True, "region": 5}),
            id="of other types",
        ),
        pytest.param(
            {"evidence": {"confidence": "0.9", "region": ""}},
            (0.0, "", {"confidence": "0.9", "region": ""}),
            id="text",
        ),
        pytest.param(
            {"evidence": {"confidence": 10**400}},
            (0.0, None, {"confidence": 10**400}),
            id="beyond floats",
        ),
        pytest.param(
            {"evidence": {"confidence": -0.0}}, (-0.0, None, {"confidence": -0.0}), id="minus zero"
        ),
    ],
)
def test_confidence_and_region_come_from_evidence_that_has_them(
    world: World, ask: Ask, fields: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    world.log_events(event(TS, **fields))
    (found,) = ask("statistics.events", **EVENTS)["events"]
    assert repr((found["confidence"], found["region"], found["metadata"])) == repr(expected)
    (item,) = ask("statistics.history", **HISTORY)
    assert (item["region"], item["detail"]) == expected[1:]


def test_an_event_without_a_track_says_so_in_its_id(world: World, ask: Ask) -> None:
    world.log_events(event(TS))
    (found,) = ask("statistics.events", **EVENTS)["events"]
    assert (found["id"], found["track_id"]) == (f"{TS}_None", None)


@pytest.mark.parametrize(
    "ts", [0, 5e-324, 1e-5, 1e-4, 0.1, 1e9, 1234567890.1234567, 1e11, 253402300799.99997]
)
def test_an_events_id_has_its_time_as_python_writes_it(world: World, ask: Ask, ts: float) -> None:
    world.log_events(event(ts, track_id=7))
    window = {
        "start_time": datetime(1970, 1, 1, tzinfo=UTC),
        "end_time": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    }
    (found,) = ask("statistics.events", **{**EVENTS, **window})["events"]
    assert found["id"] == f"{float(ts)!r}_7"


@pytest.mark.parametrize("endpoint", ["events", "history"])
def test_events_are_newest_first_and_of_equal_times_the_later_line_is(
    world: World, ask: Ask, endpoint: str
) -> None:
    world.log_events(
        event(TS - 2, track_id=1),
        event(TS - 1, track_id=2),
        event(TS - 1, track_id=3),
        event(TS, track_id=4),
        event(TS - 1.5, track_id=5),
    )
    answer = {
        "events": lambda: ask("statistics.events", **EVENTS)["events"],
        "history": lambda: ask("statistics.history", **HISTORY),
    }[endpoint]()
    assert [item["track_id"] for item in answer] == [4, 3, 2, 5, 1]


def test_times_that_differ_by_less_than_a_microsecond_are_equal(world: World, ask: Ask) -> None:
    later, earlier = TS + 0.0000002, TS
    assert later > earlier
    world.log_events(event(later, track_id=1), event(earlier, track_id=2))
    assert [item["track_id"] for item in ask("statistics.history", **HISTORY)] == [2, 1]


def test_the_limit_keeps_the_newest(world: World, ask: Ask) -> None:
    world.log_events(*(event(TS - n, track_id=n) for n in range(5)))
    page = ask("statistics.events", **{**EVENTS, "limit": 2})
    assert ([e["track_id"] for e in page["events"]], page["total"]) == ([0, 1], 2)
    assert [e["track_id"] for e in ask("statistics.history", **{**HISTORY, "limit": 3})] == [
        0,
        1,
        2,
    ]


def test_windows_include_both_ends(world: World, ask: Ask) -> None:
    world.log_events(*(event(TS + n, track_id=n) for n in range(5)))
    window = {"start_time": NOW + timedelta(seconds=1), "end_time": NOW + timedelta(seconds=3)}
    found = ask("statistics.events", **{**EVENTS, **window})["events"]
    assert [e["track_id"] for e in found] == [3, 2, 1]
    narrowed = {"start_time": window["start_time"] + TICK, "end_time": window["end_time"] - TICK}
    found = ask("statistics.events", **{**EVENTS, **narrowed})["events"]
    assert [e["track_id"] for e in found] == [2]


def test_history_begins_with_its_first_moment_and_has_no_end(world: World, ask: Ask) -> None:
    world.log_events(event(TS, track_id=1), event(TS + 86400, track_id=2))
    assert [e["track_id"] for e in ask("statistics.history", **{**HISTORY, "since": NOW})] == [2, 1]
    assert [
        e["track_id"] for e in ask("statistics.history", **{**HISTORY, "since": NOW + TICK})
    ] == [2]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        pytest.param({}, [4, 3, 2, 1], id="none"),
        pytest.param({"camera_id": "区域"}, [3, 1], id="camera"),
        pytest.param({"event_type": "B"}, [4, 3], id="type"),
        pytest.param({"camera_id": "区域", "event_type": "B"}, [3], id="both"),
        pytest.param({"camera_id": "nowhere"}, [], id="unknown"),
    ],
)
def test_filters_narrow_events(
    world: World, ask: Ask, filters: dict[str, str], expected: list[int]
) -> None:
    world.log_events(
        event(TS, track_id=1, camera_id="区域", type="A"),
        event(TS, track_id=2, camera_id="cam0", type="A"),
        event(TS, track_id=3, camera_id="区域", type="B"),
        event(TS, track_id=4, camera_id="cam0", type="B"),
    )
    found = ask("statistics.events", **{**EVENTS, **filters})["events"]
    assert [e["track_id"] for e in found] == expected


def test_history_and_daily_narrow_to_one_camera(world: World, ask: Ask) -> None:
    world.log_events(event(TS, camera_id="区域"), event(TS, camera_id="cam0"), event(TS))
    assert [
        e["camera_id"] for e in ask("statistics.history", **{**HISTORY, "camera_id": "区域"})
    ] == ["区域"]
    (day,) = ask("statistics.daily", days=1, today=TODAY, camera_id="cam0")
    assert (day["total_events"], day["counts_by_type"]) == (2, {"NO_HAIRNET": 2})


def test_days_are_utc_days_that_begin_at_midnight(world: World, ask: Ask) -> None:
    world.log_events(
        event(MIDNIGHT - 86400.000001, type="BEFORE"),
        event(MIDNIGHT - 86400, type="FIRST"),
        event(MIDNIGHT - 0.000001, type="LAST"),
        event(MIDNIGHT, type="FIRST"),
        event(MIDNIGHT + 86399.999999, type="LAST"),
        event(MIDNIGHT + 86400, type="AFTER"),
    )
    assert counts(ask("statistics.daily", days=2, today=TODAY, camera_id=None)) == [
        ("2025-10-30", {"FIRST": 1, "LAST": 1}),
        ("2025-10-31", {"FIRST": 1, "LAST": 1}),
    ]


def test_a_day_without_events_is_there_with_none(world: World, ask: Ask) -> None:
    world.log_events(event(MIDNIGHT - 86400), event(MIDNIGHT - 86400))
    assert ask("statistics.daily", days=3, today=TODAY, camera_id=None) == [
        {"date": "2025-10-29", "total_events": 0, "counts_by_type": {}},
        {"date": "2025-10-30", "total_events": 2, "counts_by_type": {"NO_HAIRNET": 2}},
        {"date": "2025-10-31", "total_events": 0, "counts_by_type": {}},
    ]


def test_ninety_days_end_with_today(ask: Ask) -> None:
    days = ask("statistics.daily", days=90, today=date(2024, 3, 1), camera_id=None)
    dates = [date.fromisoformat(day["date"]) for day in days]
    assert dates == [date(2024, 3, 1) - timedelta(days=n) for n in reversed(range(90))]


def test_types_are_in_the_order_of_their_code_points(world: World, ask: Ask) -> None:
    types = ["b", "B", "a b", "é", "z", "_", "😀", "ｚ", "a"]
    world.log_events(*(event(TS, type=name) for name in types))
    (day,) = ask("statistics.daily", days=1, today=TODAY, camera_id=None)
    assert list(day["counts_by_type"]) == ["B", "_", "a", "a b", "b", "z", "é", "ｚ", "😀"]


@pytest.mark.parametrize("line", MALFORMED, ids=lambda line: repr(line[:60]))
def test_a_malformed_line_is_no_event_and_costs_its_neighbours_nothing(
    world: World, ask: Ask, line: bytes
) -> None:
    world.log_events(event(TS - 1, track_id=1), line, event(TS, track_id=2))
    ever = {**EVENTS, "start_time": datetime(1, 1, 1, tzinfo=UTC)}
    found = ask("statistics.events", **ever)["events"]
    assert [e["track_id"] for e in found] == [2, 1]
    (day,) = ask("statistics.daily", days=1, today=TODAY, camera_id=None)
    assert day["total_events"] == 2


def test_without_events_there_is_nothing(ask: Ask) -> None:
    assert ask("statistics.events", **EVENTS) == {"events": [], "total": 0}
    assert ask("statistics.history", **HISTORY) == []
