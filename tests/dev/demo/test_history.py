"""The first week is written through the detectors' formats, once, and never beside other data."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from detection_api.config import Settings
from detection_api.dev.demo import history
from detection_api.dev.demo.world import CAMERAS, World
from detection_api.ingest import cameras as ingest_cameras
from detection_api.legacy import event_log
from tests.dev.demo.support import settings as settings_for
from tests.ingest.support import query, read_to_end

NOW = datetime(2026, 11, 3, 9, 15, 0, 250_000, tzinfo=UTC)
"""Early in a month, so that the week begins in the month before."""
WEEK = timedelta(days=7)


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    return settings_for(database, tmp_path)


@pytest.fixture
def a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shorter history, where its length does not matter."""
    monkeypatch.setattr(history, "DAYS", 1)


def written(settings: Settings) -> tuple[Any, ...]:
    """All that a detector's user could find changed."""
    return (
        settings.events_log.read_bytes() if settings.events_log.exists() else None,
        settings.cameras_file.read_bytes() if settings.cameras_file.exists() else None,
        query(settings.database_url, "SELECT count(*), max(id) FROM detection_records"),
        query(settings.database_url, "SELECT count(*), max(id) FROM violation_events"),
    )


def test_an_empty_world_gets_its_week_of_rows(settings: Settings) -> None:
    assert history.write(World(1), settings, NOW)
    for table in ("detection_records", "violation_events"):
        found = query(
            settings.database_url,
            f"SELECT min(timestamp), max(timestamp), array_agg(DISTINCT camera_id) FROM {table}",
        )
        ((oldest, newest, camera_ids),) = found
        assert NOW - WEEK - timedelta(seconds=1) <= oldest < NOW - timedelta(days=6)
        assert NOW - timedelta(hours=2) < newest <= NOW
        assert camera_ids == list(CAMERAS)
    in_default = query(settings.database_url, "SELECT count(*) FROM detection_records_default")
    assert in_default == [(0,)]


def test_violations_have_ids_from_1_in_the_order_of_time_and_know_their_last_change(
    settings: Settings,
) -> None:
    history.write(World(1), settings, NOW)
    rows = query(
        settings.database_url,
        "SELECT id, timestamp, handled_at, created_at, updated_at FROM violation_events"
        " ORDER BY timestamp, id",
    )
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert all(created == timestamp for _, timestamp, _, created, _ in rows)
    assert all(updated == (handled or created) for _, _, handled, created, updated in rows)
    assert max(row[-1] for row in rows) <= NOW


def test_both_arms_read_the_same_events_from_the_log(settings: Settings) -> None:
    history.write(World(1), settings, NOW)
    totals = read_to_end(settings.database_url, settings.events_log)
    read_by_legacy = list(event_log.newest(settings.events_log, totals.lines))
    assert 25_000 <= totals.events == len(read_by_legacy) <= 35_000
    assert 1 <= totals.malformed < 100
    stored = query(
        settings.database_url, "SELECT ts, type, camera_id, track_id FROM events ORDER BY id DESC"
    )
    assert stored == [(e.ts, e.type, e.camera_id, e.track_id) for e in read_by_legacy]


@pytest.mark.usefixtures("a_day")
def test_the_camera_file_has_both_cameras_a_secret_and_fields_that_are_missing(
    settings: Settings,
) -> None:
    history.write(World(1), settings, NOW)
    text = settings.cameras_file.read_text()
    cam0, vid1 = ingest_cameras.parse(text)
    assert [cam0.id, vid1.id] == list(CAMERAS)
    assert "env:" in text
    assert None not in cam0
    assert (vid1.location, vid1.resolution, vid1.fps, vid1.regions_file) == (None,) * 4


@pytest.mark.usefixtures("a_day")
def test_history_is_written_once(settings: Settings) -> None:
    assert history.write(World(1), settings, NOW)
    before = written(settings)
    assert history.write(World(1), settings, NOW + timedelta(hours=1))
    assert written(settings) == before


def test_history_is_written_once_also_by_two_at_a_time(settings: Settings) -> None:
    start = threading.Barrier(2)

    def write() -> None:
        start.wait()
        history.write(World(1), settings, NOW)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = len(World(1).violations((NOW - WEEK).timestamp(), NOW.timestamp()))
    rows = query(settings.database_url, "SELECT count(*) FROM violation_events")
    assert rows == [(expected,)]


def test_nothing_is_written_over_a_log_of_somebody_else(settings: Settings) -> None:
    settings.events_log.parent.mkdir()
    settings.events_log.write_bytes(b'{"ts": 1, "type": "T", "camera_id": "c"}\n')
    before = written(settings)
    assert not history.write(World(1), settings, NOW)
    assert written(settings) == before


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO detection_records (timestamp, camera_id) VALUES (now(), 'line 3')",
        "INSERT INTO violation_events (timestamp, camera_id, violation_type)"
        " VALUES (now(), 'line 3', 'no_hairnet')",
    ],
    ids=["records", "violations"],
)
def test_nothing_is_written_beside_rows_of_somebody_else(
    settings: Settings, statement: str
) -> None:
    query(settings.database_url, statement)
    before = written(settings)
    assert not history.write(World(1), settings, NOW)
    assert written(settings) == before


@pytest.mark.usefixtures("a_day")
def test_an_empty_log_is_no_log(settings: Settings) -> None:
    settings.events_log.parent.mkdir()
    settings.events_log.touch()
    assert history.write(World(1), settings, NOW)
    assert settings.events_log.stat().st_size > 0


@pytest.mark.usefixtures("a_day")
def test_a_camera_file_that_is_there_is_kept(settings: Settings) -> None:
    settings.cameras_file.parent.mkdir()
    settings.cameras_file.write_text("cameras: [{id: mine}]\n")
    assert history.write(World(1), settings, NOW)
    assert settings.cameras_file.read_text() == "cameras: [{id: mine}]\n"


@pytest.mark.usefixtures("a_day")
def test_a_start_that_was_killed_before_its_tables_is_finished_by_the_next(
    settings: Settings,
) -> None:
    history.write(World(1), settings, NOW)
    before = written(settings)
    query(settings.database_url, "TRUNCATE detection_records, violation_events")
    assert history.write(World(1), settings, NOW)
    assert written(settings) == before


@pytest.mark.usefixtures("a_day")
def test_a_log_that_was_rotated_is_not_written_again(settings: Settings) -> None:
    """Its events would be counted twice."""
    history.write(World(1), settings, NOW)
    settings.events_log.rename(settings.events_log.with_suffix(".jsonl.1"))
    assert history.write(World(1), settings, NOW)
    assert not settings.events_log.exists()


@pytest.mark.usefixtures("a_day")
def test_ids_begin_at_1_also_after_a_start_that_was_rolled_back(settings: Settings) -> None:
    query(
        settings.database_url,
        "SELECT nextval(pg_get_serial_sequence('violation_events', 'id'))"
        " FROM generate_series(1, 9)",
    )
    history.write(World(1), settings, NOW)
    assert query(settings.database_url, "SELECT min(id) FROM violation_events") == [(1,)]


def test_without_postgresql_nothing_is_written(settings: Settings, tmp_path: Path) -> None:
    elsewhere = settings_for(f"postgresql:///x?host={tmp_path}", tmp_path)
    with pytest.raises(psycopg2.OperationalError):
        history.write(World(1), elsewhere, NOW)
    assert not elsewhere.events_log.exists()
    assert not elsewhere.cameras_file.exists()
