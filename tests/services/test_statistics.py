"""What PostgreSQL's choice of a plan must not change."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2

from detection_api.services import statistics
from tests.world import NOW, World, event


def test_types_are_in_the_order_of_their_code_points_when_they_are_counted_unsorted(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    url = migrated_database("hashing")
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("ALTER DATABASE hashing SET enable_sort = off")
    types = [chr(code) for code in range(ord("A"), ord("z"))]
    world = World(url, tmp_path)
    world.log_events(*(event(NOW.timestamp(), type=name) for name in types))
    (day,) = statistics.daily(days=1, today=NOW.date(), camera_id=None)
    world.close()
    assert list(day["counts_by_type"]) == types
