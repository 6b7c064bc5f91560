"""Daily counts are the sums of the hourly counts."""

from tests.ingest.support import query

HOUR = "INSERT INTO hourly_event_counts (hour, camera_id, type, count) VALUES (%s, 'cam0', 'A', %s)"
DAYS = "SELECT day::text, count FROM daily_event_counts WHERE count > 0 ORDER BY 1"


def test_daily_counts_follow_the_hourly_counts(database: str, unbound_waits: None) -> None:
    for hour, count in (
        ("2026-11-22 23:00Z", 3),
        ("2026-11-23 00:00Z", 4),
        ("2026-11-23 05:00Z", 5),
    ):
        query(database, HOUR, hour, count)
    assert query(database, DAYS) == [("2026-11-22", 3), ("2026-11-23", 9)]
    query(database, "UPDATE hourly_event_counts SET count = 1 WHERE count = 5")
    query(database, "DELETE FROM hourly_event_counts WHERE count = 3")
    assert query(database, DAYS) == [("2026-11-23", 5)]
