"""Walking from link to link gives every record once, whatever is written meanwhile."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg2
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extras import execute_values
from werkzeug.test import TestResponse

from tests.blueprints.conftest import Get, forced

Write = Callable[[str, list[datetime]], None]
Follow = Callable[[str], TestResponse]

PATH = "/api/v1/records/detection-records/"
START = datetime(2025, 10, 31, 23, 59, 59, tzinfo=UTC)
# Few moments, so that many records share one; some in the next month, which is another partition.
MOMENTS = st.integers(0, 4).map(lambda n: START + timedelta(seconds=n / 2))

walking = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def write(world: dict[str, str]) -> Iterator[Write]:
    """Writes a camera's records as a detector does."""
    connection = psycopg2.connect(world["DATABASE_URL"])

    def insert(camera: str, moments: list[datetime]) -> None:
        if not moments:
            return
        with connection, connection.cursor() as cursor:
            sql = "INSERT INTO detection_records (camera_id, timestamp) VALUES %s"
            execute_values(cursor, sql, [(camera, moment) for moment in moments])

    with closing(connection):
        yield insert


@pytest.fixture
def follow(app: Flask, client: FlaskClient, arm: str) -> Follow:
    """Ask for what a link leads to, and insist that the same arm answered as before."""

    def ask(link: str) -> TestResponse:
        response = client.get(link)
        assert response.headers["X-Canary"] == forced(app, link, arm)
        return response

    return ask


def next_of(response: TestResponse) -> str | None:
    """Where the next page is, if there is one."""
    link = response.headers.get("Link")
    if link is None:
        return None
    found = re.fullmatch(r'<(.+)>; rel="next"', link)
    assert found
    return found[1]


def ids(response: TestResponse) -> list[int]:
    assert response.status_code == 200
    return [record["id"] for record in response.get_json()["records"]]


@walking
@given(
    moments=st.lists(MOMENTS, min_size=1, max_size=12),
    limit=st.integers(1, 5),
    offset=st.integers(0, 3),
)
def test_pages_by_cursor_are_the_pages_by_offset(
    get: Get, follow: Follow, write: Write, moments: list[datetime], limit: int, offset: int
) -> None:
    camera = f"α {uuid4()}"
    write(camera, moments)
    response = get(PATH + camera, limit=limit, offset=offset)
    while (following := next_of(response)) is not None:
        offset += limit
        response = follow(following)
        by_offset = get(PATH + camera, limit=limit, offset=offset)
        assert response.get_json() == {**by_offset.get_json(), "offset": 0}
        assert response.get_json()["total"] == len(moments)
    assert offset + len(ids(response)) >= min(offset, len(moments))
    assert len(ids(response)) < limit


@walking
@given(
    ages=st.lists(st.integers(0, 9), min_size=1, max_size=12),
    limit=st.integers(1, 5),
    offset=st.integers(0, 6),
)
def test_pages_reach_back_over_months_without_records(
    get: Get, follow: Follow, write: Write, ages: list[int], limit: int, offset: int
) -> None:
    camera = f"β {uuid4()}"
    now = datetime.now(UTC)
    write(camera, [now - timedelta(days=16 * age, minutes=1) for age in ages])
    every = ids(get(PATH + camera, limit=100, start_time="2020-01-01T00:00:00Z"))
    assert len(every) == len(ages)
    response = get(PATH + camera, limit=limit, offset=offset)
    walked = ids(response)
    while (following := next_of(response)) is not None:
        response = follow(following)
        walked += ids(response)
        assert response.get_json()["total"] == len(ages)
    assert walked == every[offset:]


@walking
@given(
    moments=st.lists(MOMENTS, min_size=1, max_size=12),
    later=st.lists(st.lists(MOMENTS, max_size=2), max_size=12),
    limit=st.integers(1, 4),
)
def test_what_is_written_meanwhile_neither_hides_nor_repeats_a_record(
    get: Get,
    follow: Follow,
    write: Write,
    moments: list[datetime],
    later: list[list[datetime]],
    limit: int,
) -> None:
    camera = str(uuid4())
    write(camera, moments)
    old = ids(get(PATH + camera))
    response = get(PATH + camera, limit=limit)
    walked = ids(response)
    writes = iter(later)
    while (following := next_of(response)) is not None:
        write(camera, next(writes, []))
        response = follow(following)
        walked += ids(response)
    assert [id for id in walked if id in set(old)] == old
    assert len(set(walked)) == len(walked)


def test_a_link_keeps_the_window_the_limit_and_the_wish(
    get: Get, follow: Follow, write: Write
) -> None:
    camera = str(uuid4())
    write(camera, [START + timedelta(hours=n) for n in range(5)])
    window = {
        "start_time": (START + timedelta(hours=1)).isoformat(),
        "end_time": (START + timedelta(hours=3)).isoformat(),
    }
    first = get(PATH + camera, limit=2, offset=0, **window)
    link = next_of(first)
    assert link
    second = follow(link)
    assert (len(ids(second)), second.get_json()["total"], second.get_json()["limit"]) == (1, 3, 2)
    assert next_of(second) is None
    assert "offset" not in link


def test_an_offset_counts_from_the_cursor_on(get: Get, follow: Follow, write: Write) -> None:
    camera = str(uuid4())
    write(camera, [START + timedelta(hours=n) for n in range(5)])
    everything = ids(get(PATH + camera))
    link = next_of(get(PATH + camera, limit=1))
    assert link
    assert ids(follow(f"{link}&offset=2")) == everything[3:4]


def test_a_page_that_is_not_full_has_no_link(get: Get) -> None:
    assert next_of(get(PATH + "nobody")) is None


def test_a_cursor_of_another_camera_is_a_position_like_any(
    get: Get, follow: Follow, write: Write
) -> None:
    one, other = str(uuid4()), str(uuid4())
    write(one, [START])
    write(other, [START - timedelta(hours=1), START + timedelta(hours=1)])
    link = next_of(get(PATH + one, limit=1))
    assert link
    assert len(ids(follow(link.replace(one, other)))) == 1
