"""How far back in the log legacy looks: known limits that its answers show."""

from datetime import timedelta

import msgspec
import pytest

from detection_api.legacy import statistics
from tests.world import NOW, World, event

TS = NOW.timestamp()


def append(world: World, track_id: int, times: int) -> None:
    """Write an event so many times."""
    line = msgspec.json.encode(event(TS, track_id=track_id)) + b"\n"
    with world.log.open("ab") as log:
        log.write(line * times)


def found(limit: int) -> tuple[bool, bool]:
    """Whether events and history find the only event of track 1."""
    later = NOW + timedelta(hours=1)
    page = statistics.events(
        start_time=NOW, end_time=later, event_type=None, camera_id="wanted", limit=limit
    )
    return bool(page["events"]), bool(
        statistics.history(since=NOW, limit=limit, camera_id="wanted")
    )


@pytest.mark.parametrize(("limit", "lines"), [(1, 2000), (400, 2000), (401, 2005), (1000, 5000)])
def test_events_and_history_look_at_five_times_the_limit_and_at_least_two_thousand_lines(
    world: World, limit: int, lines: int
) -> None:
    world.log.write_bytes(msgspec.json.encode(event(TS, camera_id="wanted")) + b"\n")
    append(world, track_id=2, times=lines - 1)
    assert found(limit) == (True, True)
    append(world, track_id=2, times=1)
    assert found(limit) == (False, False)


def test_daily_counts_look_at_two_hundred_thousand_lines(world: World) -> None:
    append(world, track_id=1, times=200_001)
    (day,) = statistics.daily(days=1, today=NOW.date(), camera_id=None)
    assert day["total_events"] == 200_000
