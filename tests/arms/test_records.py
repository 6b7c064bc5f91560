"""What both implementations promise about detection records and violations."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from detection_api.errors import NotFoundError
from tests.arms.conftest import Ask
from tests.world import NOW, ROUTES, World, arms

PAGE = "records.detection_records"
INT64_MAX = 2**63 - 1
FIRST_PAGE: dict[str, Any] = {
    "camera_id": "cam0",
    "limit": 100,
    "offset": 0,
    "cursor": None,
    "start_time": None,
    "end_time": None,
}


def record(world: World, timestamp: datetime, camera_id: str = "cam0", **columns: Any) -> None:
    row = {"camera_id": camera_id, "timestamp": timestamp, **columns}
    world.insert("detection_records", row)


def ids(page: dict[str, Any]) -> list[int]:
    return [record["id"] for record in page["records"]]


def test_a_record_has_every_field_of_the_contract_in_its_order(world: World, ask: Ask) -> None:
    record(
        world,
        NOW.replace(microsecond=123456),
        frame_number=INT64_MAX,
        person_count=1,
        hairnet_violations=2,
        handwash_events=3,
        sanitize_events=4,
        fps=25,
        processing_time=0.1,
    )
    page = ask("records.detection_records", **FIRST_PAGE)
    assert list(page) == ["records", "total", "camera_id", "limit", "offset"]
    assert list(page["records"][0].items()) == [
        ("id", 1),
        ("camera_id", "cam0"),
        ("timestamp", "2025-10-31T09:15:00.123456Z"),
        ("frame_number", INT64_MAX),
        ("person_count", 1),
        ("hairnet_violations", 2),
        ("handwash_events", 3),
        ("sanitize_events", 4),
        ("fps", 25.0),
        ("processing_time", 0.1),
    ]


@pytest.mark.parametrize("implementation", arms(PAGE).values(), ids=arms(PAGE))
def test_comparisons_look_at_the_page_that_a_client_gets(
    world: World, implementation: Callable[..., Any]
) -> None:
    """What only the encoder would drop is a difference to them."""
    for seconds in range(3):
        record(world, NOW + timedelta(seconds=seconds), fps=24.5)
    contract, page = ROUTES[PAGE].contract, implementation(**FIRST_PAGE)
    assert contract.wire(page) == json.loads(contract.encode(page))


def test_what_a_detector_left_out_is_null_or_zero(world: World, ask: Ask) -> None:
    record(world, NOW)
    (found,) = ask("records.detection_records", **FIRST_PAGE)["records"]
    assert found["timestamp"] == "2025-10-31T09:15:00Z"
    assert (found["frame_number"], found["fps"], found["processing_time"]) == (None, None, None)
    assert (found["person_count"], found["sanitize_events"]) == (0, 0)


def test_records_are_newest_first_and_of_equal_times_the_higher_id_is(
    world: World, ask: Ask
) -> None:
    for seconds in (0, 5, 5, 3):
        record(world, NOW + timedelta(seconds=seconds))
    assert ids(ask("records.detection_records", **FIRST_PAGE)) == [3, 2, 4, 1]


def test_only_the_camera_asked_for_counts(world: World, ask: Ask) -> None:
    record(world, NOW, "区域 'α' \\ 100%s")
    record(world, NOW)
    page = ask("records.detection_records", **{**FIRST_PAGE, "camera_id": "区域 'α' \\ 100%s"})
    assert (ids(page), page["total"], page["camera_id"]) == ([1], 1, "区域 'α' \\ 100%s")


@pytest.mark.parametrize(
    ("limit", "offset", "expected"),
    [
        pytest.param(2, 0, [5, 4], id="first"),
        pytest.param(2, 2, [3, 2], id="middle"),
        pytest.param(2, 4, [1], id="last"),
        pytest.param(2, 5, [], id="just past the end"),
        pytest.param(1000, INT64_MAX, [], id="as far as it goes"),
    ],
)
def test_every_page_has_the_total_of_all(
    world: World, ask: Ask, limit: int, offset: int, expected: list[int]
) -> None:
    for _ in range(5):
        record(world, NOW)
    page = ask("records.detection_records", **{**FIRST_PAGE, "limit": limit, "offset": offset})
    assert (ids(page), page["total"]) == (expected, 5)
    assert (page["limit"], page["offset"]) == (limit, offset)


def test_an_unknown_camera_has_no_records(ask: Ask) -> None:
    assert ask("records.detection_records", **FIRST_PAGE) == {
        "records": [],
        "total": 0,
        "camera_id": "cam0",
        "limit": 100,
        "offset": 0,
    }


SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param(None, None, [3, 2, 1], id="of all time"),
        pytest.param(NOW, NOW + 2 * SECOND, [3, 2, 1], id="both ends inclusive"),
        pytest.param(NOW + TICK, None, [3, 2], id="open end"),
        pytest.param(None, NOW + 2 * SECOND - TICK, [2, 1], id="open start"),
        pytest.param(NOW + SECOND, NOW + SECOND, [2], id="one moment"),
        pytest.param(NOW + TICK, NOW + SECOND - TICK, [], id="between"),
        pytest.param(
            datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), [3, 2, 1], id="ever"
        ),
    ],
)
def test_windows_include_both_ends(
    world: World, ask: Ask, start: datetime | None, end: datetime | None, expected: list[int]
) -> None:
    for n in range(3):
        record(world, NOW + n * SECOND)
    page = ask("records.detection_records", **{**FIRST_PAGE, "start_time": start, "end_time": end})
    assert (ids(page), page["total"]) == (expected, len(expected))


def violation(world: World, **columns: Any) -> None:
    row = {"camera_id": "cam0", "timestamp": NOW, "violation_type": "no_hairnet", **columns}
    world.insert("violation_events", row)


def test_a_violation_has_every_field_of_the_contract_in_its_order(world: World, ask: Ask) -> None:
    violation(
        world,
        track_id=17,
        confidence=1,
        status="resolved",
        snapshot_path="快照/1.jpg",
        bbox={"height": 4, "width": 3.5, "y": 2, "x": -1},
        handled_at=NOW,
        handled_by="Zoë",
        notes="",
        created_at=NOW + TICK,
        updated_at=NOW + SECOND,
    )
    found = ask("records.violation", violation_id=1)
    assert list(found.items()) == [
        ("id", 1),
        ("camera_id", "cam0"),
        ("timestamp", "2025-10-31T09:15:00Z"),
        ("violation_type", "no_hairnet"),
        ("track_id", 17),
        ("confidence", 1.0),
        ("status", "resolved"),
        ("snapshot_path", "快照/1.jpg"),
        ("bbox", {"x": -1.0, "y": 2.0, "width": 3.5, "height": 4.0}),
        ("handled_at", "2025-10-31T09:15:00Z"),
        ("handled_by", "Zoë"),
        ("notes", ""),
        ("created_at", "2025-10-31T09:15:00.000001Z"),
        ("updated_at", "2025-10-31T09:15:01Z"),
    ]
    assert list(found["bbox"]) == ["x", "y", "width", "height"]


def test_a_new_violation_is_pending_and_the_rest_of_it_null(world: World, ask: Ask) -> None:
    violation(world)
    found = ask("records.violation", violation_id=1)
    assert found["status"] == "pending"
    assert [name for name, value in found.items() if value is None] == [
        "track_id",
        "confidence",
        "snapshot_path",
        "bbox",
        "handled_at",
        "handled_by",
        "notes",
    ]


@pytest.mark.parametrize("violation_id", [0, 2, -1, INT64_MAX, -INT64_MAX])
def test_a_violation_that_does_not_exist_is_not_found(
    world: World, ask: Ask, violation_id: int
) -> None:
    violation(world)
    with pytest.raises(NotFoundError, match=rf"^There is no violation {violation_id}\.$"):
        ask("records.violation", violation_id=violation_id)
