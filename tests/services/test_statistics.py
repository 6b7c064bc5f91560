"""What the database's own settings must not change."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2

from detection_api.services import statistics
from tests.conftest import upgrade
from tests.world import NOW, World, event

COLLATE = "ALTER TABLE hourly_event_counts ALTER COLUMN type TYPE text COLLATE unicode"


def test_types_are_in_the_order_of_their_code_points_under_any_collation(
    new_database: Callable[[str], str], tmp_path: Path
) -> None:
    url = new_database("collated")
    upgrade(url)
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(COLLATE)
    world = World(url, tmp_path)
    world.log_events(*(event(NOW.timestamp(), type=name) for name in ("a", "B", "b", "A")))
    (day,) = statistics.daily(days=1, today=NOW.date(), camera_id=None)
    world.close()
    assert list(day["counts_by_type"]) == ["A", "B", "a", "b"]
