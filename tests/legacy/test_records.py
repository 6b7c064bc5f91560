"""How far back legacy looks for a violation, and what its reads may cost."""

from datetime import timedelta

import pytest

from detection_api.errors import NotFoundError
from detection_api.legacy import records
from tests.world import NOW, World


def test_a_violation_is_found_among_the_newest_thousand_only(world: World) -> None:
    world.insert(
        "violation_events",
        *(
            {
                "id": n,
                "camera_id": "cam0",
                "timestamp": NOW - timedelta(seconds=n // 2),
                "violation_type": "no_hairnet",
            }
            for n in range(1001)
        ),
    )
    # Of the two at 499 seconds ago both are in; of those at 500 there is only one, the oldest.
    assert records.violation(violation_id=999)["id"] == 999
    assert records.violation(violation_id=998)["id"] == 998
    with pytest.raises(NotFoundError):
        records.violation(violation_id=1000)


def test_of_equal_times_the_lowest_id_falls_out_of_the_newest_thousand(world: World) -> None:
    columns = {"camera_id": "cam0", "timestamp": NOW, "violation_type": "no_hairnet"}
    world.insert("violation_events", *({"id": n, **columns} for n in range(1001)))
    assert records.violation(violation_id=1)["id"] == 1
    with pytest.raises(NotFoundError):
        records.violation(violation_id=0)


def test_answers_are_json_already(world: World) -> None:
    world.insert("detection_records", {"camera_id": "cam0", "timestamp": NOW})
    page = records.detection_records(
        camera_id="cam0", limit=1, offset=0, cursor=None, start_time=None, end_time=None
    )
    assert page["records"][0]["timestamp"] == "2025-10-31T09:15:00Z"
