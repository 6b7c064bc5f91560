"""A survey lists the code that goes with the legacy of the application's endpoints."""

import pytest

from detection_api import create_app
from detection_api.rollout.retirement.survey import goes_with
from detection_api.rollout.retirement.unused_code import Unused
from detection_api.rollout.routes import routes_of


def unused_without(*endpoints: str) -> tuple[Unused, ...]:
    """What goes with the legacy of these endpoints of the application."""
    routes = routes_of(create_app({"DATABASE_URL": "postgresql:///nowhere"}))
    return goes_with(*(routes[endpoint] for endpoint in endpoints))


def test_one_endpoint_takes_along_what_only_its_legacy_uses() -> None:
    (page,) = unused_without("records.detection_records")
    assert page.names == ("_COUNT", "_PAGE", "detection_records")


@pytest.mark.parametrize(
    ("endpoints", "files"),
    [
        (("records.detection_records", "records.violation"), {"records"}),
        (
            ("statistics.daily", "statistics.events", "statistics.history"),
            {"event_log", "statistics"},
        ),
    ],
)
def test_all_endpoints_of_a_file_take_it_along_as_a_whole(
    endpoints: tuple[str, ...], files: set[str]
) -> None:
    unused = unused_without(*endpoints)
    assert {(each.file, each.whole) for each in unused} == {
        (f"detection_api/legacy/{name}.py", True) for name in files
    }
