"""What the demo's cameras see is plausible, complete and always the same."""

from functools import cache
from typing import Any

import msgspec
import pytest

from detection_api.dev.demo.visits import EventType
from detection_api.dev.demo.world import CAMERAS, SimulatedRecord, World
from detection_api.ingest import event_lines
from detection_api.models.records import VIOLATION_STATUSES, VIOLATION_TYPES

NOW = 1_795_470_203.25
"""2026-11-23T21:43:23.25Z, a Monday."""
WEEK_AGO = NOW - 7 * 86_400
SEEDS = pytest.mark.parametrize("seed", [1, 2, 3])


@cache
def week_of_lines(seed: int) -> list[bytes]:
    return World(seed).lines(WEEK_AGO, NOW)


@cache
def week_of_records(seed: int) -> list[SimulatedRecord]:
    return World(seed).records(WEEK_AGO, NOW, every=60)


def events_in(lines: list[bytes]) -> list[dict[str, Any]]:
    """The lines that are events, by ingestion's rules."""
    return [msgspec.json.decode(line) for line in lines if is_event(line)]


def is_event(line: bytes) -> bool:
    return bool(event_lines.parse(line, offset=0, size=len(line)).events)


def test_the_same_seed_is_the_same_world() -> None:
    day_ago = NOW - 86_400
    assert World(5).lines(day_ago, NOW) == World(5).lines(day_ago, NOW)
    assert World(5).lines(day_ago, NOW) != World(6).lines(day_ago, NOW)


@pytest.mark.parametrize("cut", [1, 59.5, 3600, 3661.004], ids=str)
def test_a_period_is_the_sum_of_its_parts(cut: float) -> None:
    """So a detector may stop and go on anywhere: nothing is missing, nothing comes twice."""
    world, since, until = World(1), NOW - 7200, NOW
    middle = since + cut
    assert world.lines(since, middle) + world.lines(middle, until) == world.lines(since, until)
    first, second = (world.records(*part, every=5) for part in ((since, middle), (middle, until)))
    assert first + second == world.records(since, until, every=5)
    parts = world.violations(since, middle) + world.violations(middle, until)
    keys = [(row.timestamp, row.camera_id, row.violation_type) for row in parts]
    assert keys == [
        (row.timestamp, row.camera_id, row.violation_type) for row in world.violations(since, until)
    ]


@SEEDS
def test_a_week_is_as_large_as_it_should_be(seed: int) -> None:
    assert 25_000 <= len(week_of_lines(seed)) <= 35_000
    assert 10_000 <= len(week_of_records(seed)) <= 20_200
    assert 200 <= len(World(seed).violations(WEEK_AGO, NOW)) <= 400


@SEEDS
def test_every_event_type_of_every_camera_is_in_the_log_but_for_a_few_malformed_lines(
    seed: int,
) -> None:
    lines = week_of_lines(seed)
    events = events_in(lines)
    assert {(e["camera_id"], e["type"]) for e in events} == {
        (camera_id, kind) for camera_id in CAMERAS for kind in EventType
    }
    assert 1 <= len(lines) - len(events) <= 100


@SEEDS
def test_whatever_an_event_may_leave_out_is_left_out_somewhere(seed: int) -> None:
    events = events_in(week_of_lines(seed))
    evidences = [event["evidence"] for event in events if event.get("evidence")]
    assert any(event["track_id"] is None for event in events)
    assert any("evidence" not in event for event in events)
    assert any(event.get("evidence", {}) is None for event in events)
    assert any("confidence" not in evidence for evidence in evidences)
    assert any("region" not in evidence for evidence in evidences)


@SEEDS
def test_violations_are_of_every_type_and_status_with_every_field_null_somewhere(
    seed: int,
) -> None:
    violations = World(seed).violations(WEEK_AGO, NOW)
    assert {(row.violation_type, row.status) for row in violations} == {
        (kind, status) for kind in VIOLATION_TYPES for status in VIOLATION_STATUSES
    }
    assert {row.camera_id for row in violations} == set(CAMERAS)
    for field in (
        "track_id",
        "confidence",
        "snapshot_path",
        "bbox",
        "handled_at",
        "handled_by",
        "notes",
    ):
        assert {getattr(row, field) is None for row in violations} == {True, False}, field


@SEEDS
def test_records_are_of_every_camera_with_every_field_null_somewhere(seed: int) -> None:
    records = week_of_records(seed)
    assert {row.camera_id for row in records} == set(CAMERAS)
    for field in ("frame_number", "fps", "processing_time"):
        assert {getattr(row, field) is None for row in records} == {True, False}, field
    for field in ("person_count", "hairnet_violations", "handwash_events", "sanitize_events"):
        assert any(getattr(row, field) for row in records), field


@SEEDS
@pytest.mark.parametrize("until", [NOW, NOW - 3 * 3600 - 1.5], ids=["night", "work"])
def test_nothing_is_later_than_the_end_and_all_is_in_the_order_of_time(
    seed: int, until: float
) -> None:
    world, since = World(seed), until - 86_400
    times = [event["ts"] for event in events_in(world.lines(since, until))]
    assert times == sorted(times)
    assert since < times[0]
    assert times[-1] <= until
    violations = world.violations(since, until)
    for rows in (violations, world.records(since, until, every=60)):
        taken = [row.timestamp.timestamp() for row in rows]
        assert max(taken) <= until
    handled = [row.handled_at.timestamp() for row in violations if row.handled_at]
    assert max(handled) <= until


def test_times_have_fractions_of_a_second() -> None:
    times = [event["ts"] for event in events_in(week_of_lines(1))]
    times += [row.timestamp.timestamp() for row in week_of_records(1)]
    assert sum(ts % 1 != 0 for ts in times) > 0.9 * len(times)


def test_nights_are_quiet_breaks_are_quieter_and_people_rush_back_from_them() -> None:
    monday = 1_795_392_000
    world = World()

    def per_minute(start: int, minutes: int) -> float:
        since = monday + start * 60
        return len(world.lines(since, since + minutes * 60)) / minutes

    night, work = per_minute(2 * 60, 180), per_minute(10 * 60, 110)
    pause, rush = per_minute(12 * 60 + 3, 25), per_minute(12 * 60 + 30, 15)
    assert max(night, pause) < work / 2
    assert rush > 1.5 * work


def test_a_violation_is_pending_until_it_is_handled() -> None:
    """The same violations, seen early and late: what became of them comes later."""
    world, noon = World(1), NOW - 5 * 86_400
    early = world.violations(noon - 86_400, noon)
    late = world.violations(noon - 86_400, NOW)[: len(early)]
    assert [row.timestamp for row in early] == [row.timestamp for row in late]
    assert sum(row.status == "pending" for row in late) < sum(
        row.status == "pending" for row in early
    )
    assert all(row.handled_at is None for row in early if row.status == "pending")


def test_statistics_agree_with_who_is_there() -> None:
    world = World(1)
    messages = [world.statistics("cam0", NOW - 36_000 + second) for second in range(600)]
    assert {message["type"] for message in messages} == {"stats"}
    figures = [message["data"] for message in messages]
    assert any(data["persons"] for data in figures)
    assert any(data["handwash"] for data in figures)
    assert all(data["hairnets"] <= data["persons"] for data in figures)
    assert all(data["handwash"] <= data["persons"] for data in figures)
    frames = [data["total_frames"] for data in figures]
    assert frames == sorted(frames)
    assert all(data["processed_frames"] <= data["total_frames"] for data in figures)
