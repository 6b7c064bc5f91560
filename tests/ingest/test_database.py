"""Writing connections, and sitting out outages."""

from contextlib import closing

import psycopg2
import pytest

from detection_api.ingest.database import Outage, connect
from tests.ingest.support import query
from tests.log_lines import logged


def test_a_connection_says_who_it_is_and_keeps_time_in_utc(database: str) -> None:
    with closing(connect(database, "somebody")) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TimeZone")
        assert cursor.fetchone() == ("UTC",)
        assert query(database, "SELECT 1 FROM pg_stat_activity WHERE application_name = 'somebody'")


def test_options_of_the_url_are_kept(database: str) -> None:
    url = psycopg2.extensions.make_dsn(database, options="-c work_mem=1234kB")
    with closing(connect(url, "somebody")) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW work_mem")
        assert cursor.fetchone() == ("1234kB",)


def test_an_outage_is_logged_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage("the database")
    outage.over()
    for _ in range(3):
        outage.failed(OSError("gone"))
    outage.over()
    outage.over()
    outage.failed(OSError("gone again"))
    assert [(entry["event"], entry.get("error")) for entry in logged(caplog)] == [
        ("outage", "gone"),
        ("outage_over", None),
        ("outage", "gone again"),
    ]


def test_attempts_during_an_outage_become_rarer_but_never_rare() -> None:
    outage = Outage("the database")
    delays = [outage.failed(OSError()) for _ in range(8)]
    assert delays == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5])
    outage.over()
    assert outage.failed(OSError()) == pytest.approx(0.2)
