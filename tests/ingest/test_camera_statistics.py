"""Live statistics: which message counts, when it is written, and what outages cost."""

import math
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from detection_api.dev.embedded import EmbeddedValkey
from detection_api.ingest import camera_statistics
from detection_api.ingest.camera_statistics import (
    CHANNEL,
    LatestStatistics,
    ParsedStatistics,
    parse,
)
from tests.ingest.support import has_logged, query, running, wait_until
from tests.log_lines import logged

DATA = {
    "persons": 2,
    "hairnets": 1,
    "handwash": 3,
    "fps": 24.8,
    "total_frames": 9000,
    "processed_frames": 8999,
    "avg_detection_time": 0.021,
}


def _message(camera_id: Any = "cam0", timestamp: Any = 1761900000.5, **data: Any) -> bytes:
    return msgspec.json.encode(
        {
            "type": "stats",
            "camera_id": camera_id,
            "timestamp": timestamp,
            "data": DATA | data,
        }
    )


def _row(camera_id: str, timestamp: float, persons: int) -> ParsedStatistics:
    row = parse(_message(camera_id, timestamp, persons=persons))
    assert row is not None
    return row


def _persons(url: str) -> dict[str, int]:
    return dict(query(url, "SELECT camera_id, detected_persons FROM camera_statistics"))


def test_every_field_of_a_message_is_taken_over() -> None:
    assert parse(_message()) == ParsedStatistics(
        camera_id="cam0",
        timestamp=datetime(2025, 10, 31, 8, 40, 0, 500000, UTC),
        total_frames=9000,
        processed_frames=8999,
        detected_persons=2,
        detected_hairnets=1,
        detected_handwash=3,
        avg_fps=24.8,
        avg_detection_time=0.021,
    )


@pytest.mark.parametrize("value", [None, True, "3", 3.0, -1, 2**63, [3]], ids=str)
def test_a_count_that_is_none_is_zero(value: Any) -> None:
    row = parse(_message(persons=value))
    assert row is not None
    assert row.detected_persons == 0


@pytest.mark.parametrize("value", [None, True, "3", [3]], ids=str)
def test_a_rate_that_is_none_is_zero(value: Any) -> None:
    row = parse(_message(fps=value, avg_detection_time=value))
    assert row is not None
    assert (row.avg_fps, row.avg_detection_time) == (0.0, 0.0)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"[]",
        b"{}",
        b'"\xff"',
        b"[" * 100_000,
        _message().replace(b'"stats"', b'"other"'),
        _message(camera_id=""),
        _message(camera_id=3),
        _message(camera_id="a\0b"),
        _message(timestamp="now"),
        _message(timestamp=True),
        _message(timestamp=-1),
        msgspec.json.encode({"type": "stats", "camera_id": "a", "timestamp": 1, "data": []}),
    ],
    ids=range(13),
)
def test_what_is_no_statistics_message_is_ignored(message: bytes) -> None:
    assert parse(message) is None


_messages = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), max_size=8)


@given(_messages, st.data())
def test_the_latest_message_counts_and_of_equal_times_the_later_arrival(
    database_url: str, messages: list[tuple[str, int]], data: st.DataObject
) -> None:
    """However arrivals are spread over writes."""
    query(database_url, "TRUNCATE camera_statistics")
    expected: dict[str, tuple[int, int]] = {}
    with closing(LatestStatistics(database_url)) as latest:
        for number, (camera, second) in enumerate(messages):
            latest.add(_row(camera, second, persons=number))
            expected[camera] = max(expected.get(camera, (0, 0)), (second, number))
            if data.draw(st.booleans()):
                latest.write(math.inf)
        latest.write(math.inf)
    assert _persons(database_url) == {camera: n for camera, (_, n) in expected.items()}


def test_a_message_from_more_than_a_minute_ahead_is_refused(database: str) -> None:
    arrival = datetime(2025, 10, 31, 9, 15, tzinfo=UTC)
    with closing(LatestStatistics(database, clock=lambda: arrival)) as latest:
        for persons, ahead in ((1, 60), (2, 60.001), (3, 86400)):
            latest.add(_row("cam0", arrival.timestamp() + ahead, persons=persons))
        latest.write(math.inf)
    assert _persons(database) == {"cam0": 1}


def test_a_lone_message_is_written_at_once_and_what_follows_together_a_second_later(
    database: str,
) -> None:
    with closing(LatestStatistics(database)) as latest:
        latest.add(_row("cam0", 1, persons=1))
        latest.write(now=100.0)
        assert _persons(database) == {"cam0": 1}
        latest.add(_row("cam0", 2, persons=2))
        latest.write(now=100.5)
        latest.add(_row("cam1", 2, persons=3))
        latest.write(now=100.9)
        assert _persons(database) == {"cam0": 1}
        latest.write(now=101.0)
        assert _persons(database) == {"cam0": 2, "cam1": 3}


def test_while_the_database_is_away_the_latest_message_is_kept(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    query(database, "ALTER TABLE camera_statistics RENAME TO away")
    with closing(LatestStatistics(database)) as latest:
        try:
            latest.add(_row("cam0", 1, persons=1))
            latest.write(now=0.0)
            latest.add(_row("cam0", 2, persons=2))
            latest.write(now=0.2)
        finally:
            query(database, "ALTER TABLE away RENAME TO camera_statistics")
        latest.write(now=0.5)
        assert _persons(database) == {}
        latest.write(now=0.7)
        assert _persons(database) == {"cam0": 2}
    assert [entry["event"] for entry in logged(caplog)] == ["outage", "outage_over"]


def test_messages_are_carried_over_as_they_are_published(
    database: str, valkey: EmbeddedValkey
) -> None:
    with (
        redis.Redis.from_url(valkey.url) as client,
        running(camera_statistics.follow, database, valkey.url),
    ):
        wait_until(lambda: client.publish(CHANNEL, b"nonsense") == 1)
        client.publish(CHANNEL, _message(persons=5))
        wait_until(lambda: _persons(database) == {"cam0": 5}, seconds=2)


def test_what_came_before_the_end_is_written(
    database: str, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the last write was less than a second ago."""
    received = []

    def observed(message: bytes) -> ParsedStatistics | None:
        received.append(message)
        return parse(message)

    monkeypatch.setattr(camera_statistics, "parse", observed)
    with (
        redis.Redis.from_url(valkey.url) as client,
        running(camera_statistics.follow, database, valkey.url),
    ):
        wait_until(lambda: client.publish(CHANNEL, _message(persons=1)) == 1)
        wait_until(lambda: _persons(database) == {"cam0": 1})
        client.publish(CHANNEL, _message(persons=2))
        wait_until(lambda: _message(persons=2) in received)
    assert _persons(database) == {"cam0": 2}


def test_redis_that_is_away_is_sat_out_and_logged_once(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = EmbeddedValkey(tmp_path)
    url = server.start()
    try:
        with running(camera_statistics.follow, database, url):
            _publish_until_stored(url, database, persons=1)
            server.stop()
            wait_until(lambda: has_logged(caplog, "outage"))
            server.start(port=urlsplit(url).port)
            _publish_until_stored(url, database, persons=2)
        assert [entry["event"] for entry in logged(caplog)] == ["outage", "outage_over"]
    finally:
        server.stop()


def _publish_until_stored(url: str, database: str, *, persons: int) -> None:
    with redis.Redis.from_url(url) as client:
        wait_until(lambda: client.publish(CHANNEL, _message(persons=persons)) == 1)
        wait_until(lambda: _persons(database) == {"cam0": persons})
