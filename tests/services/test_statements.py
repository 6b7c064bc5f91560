"""Each endpoint is one prepared statement, planned for each connection once."""

from typing import Any

import pytest

from detection_api.errors import NotFoundError
from tests.world import NOW, ROUTES, World

CALLS: dict[str, dict[str, Any]] = {
    "records.detection_records": {
        "camera_id": "cam0",
        "limit": 1,
        "offset": 0,
        "cursor": None,
        "start_time": NOW,
        "end_time": NOW,
    },
    "records.violation": {"violation_id": 1},
    "statistics.daily": {"days": 7, "today": NOW.date(), "camera_id": "cam0"},
    "statistics.events": {
        "start_time": NOW,
        "end_time": NOW,
        "event_type": "A",
        "camera_id": "cam0",
        "limit": 1,
    },
    "statistics.history": {"since": NOW, "limit": 1, "camera_id": "cam0"},
    "cameras.cameras": {"active_only": True},
    "cameras.camera_stats": {"camera_id": "cam0", "now": NOW},
}


@pytest.mark.parametrize("endpoint", CALLS)
def test_an_endpoint_is_one_statement_however_often_it_is_asked(
    world: World, endpoint: str
) -> None:
    for _ in range(3):
        try:
            ROUTES[endpoint].domain(**CALLS[endpoint])
        except NotFoundError:
            continue
    with world.pool.connection() as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT generic_plans + custom_plans FROM pg_prepared_statements")
        assert cursor.fetchall() == [(3,)]
