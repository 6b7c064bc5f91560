"""A series is read in whole buckets, over a window of limited length."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from marshmallow import ValidationError

from detection_api import clock
from detection_api.schemas import orders
from detection_api.schemas.rollout import DEFAULT_WINDOW, MAX_POINTS, SeriesQuerySchema
from tests.world import NOW

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "utc_now", lambda: NOW)
    runtime = SimpleNamespace(endpoints=("a.one",))
    monkeypatch.setattr(orders, "canary", SimpleNamespace(runtime=runtime))


def _refused(query: dict[str, str]) -> set[str]:
    """Return the names of the refused parameters."""
    try:
        SeriesQuerySchema().load(query)
    except ValidationError as error:
        return set(error.messages_dict)
    return set()


def test_a_series_is_of_the_last_hour_by_default() -> None:
    query = SeriesQuerySchema().load({})
    assert (query["start_time"], query["end_time"]) == (NOW - DEFAULT_WINDOW, NOW)


@pytest.mark.parametrize("text", ["15", "5", "86410"])
def test_a_resolution_is_a_multiple_of_a_bucket_up_to_a_day(text: str) -> None:
    assert _refused({"resolution": text}) == {"resolution"}


@pytest.mark.parametrize(
    ("endpoint", "days", "is_refused"),
    [(None, 1, False), (None, 2, True), ("a.one", 7, False), ("a.one", 8, True)],
)
def test_a_window_of_one_endpoint_may_be_longer(
    endpoint: str | None, days: int, is_refused: bool
) -> None:
    query = {"start_time": (NOW - days * DAY).isoformat(), "resolution": "3600"}
    if endpoint:
        query["endpoint"] = endpoint
    assert _refused(query) == ({"start_time"} if is_refused else set())


def test_a_window_has_a_maximum_number_of_points() -> None:
    start = (NOW - timedelta(seconds=10 * MAX_POINTS)).isoformat()
    query = {"start_time": start, "resolution": "10"}
    assert _refused(query) == set()
    longer = {**query, "end_time": (NOW + timedelta(seconds=1)).isoformat()}
    assert _refused(longer) == {"resolution"}
