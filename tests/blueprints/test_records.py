"""Detection records and violations over HTTP; every test runs against both arms."""

from datetime import datetime
from typing import Any

import pytest

from detection_api.schemas.records import RecordPageSchema, ViolationSchema
from tests.blueprints.conftest import Get

RECORDS = "/api/v1/records/detection-records/cam0"
VIOLATION = "/api/v1/records/violations/{}"


def records(get: Get, **parameters: Any) -> list[dict[str, Any]]:
    response = get(RECORDS, **parameters)
    assert response.status_code == 200
    assert RecordPageSchema().validate(response.get_json()) == {}
    found: list[dict[str, Any]] = response.get_json()["records"]
    return found


def test_a_page_holds_the_newest_records_first(get: Get) -> None:
    page = get(RECORDS).get_json()
    assert len(page["records"]) == page["limit"] == 100
    assert (page["total"], page["camera_id"], page["offset"]) == (500, "cam0", 0)
    moments = [record["timestamp"] for record in page["records"]]
    assert moments == sorted(moments, reverse=True)
    assert all(moment.endswith("Z") for moment in moments)


def test_pages_follow_each_other_without_gap_or_overlap(get: Get) -> None:
    pages = [records(get, limit=200, offset=offset) for offset in (0, 200, 400, 600)]
    assert [len(page) for page in pages] == [200, 200, 100, 0]
    assert len({record["id"] for page in pages for record in page}) == 500


def test_the_total_is_on_every_page(get: Get) -> None:
    assert get(RECORDS, offset=10_000).get_json()["total"] == 500
    assert get(RECORDS, limit=1).get_json()["total"] == 500


def test_an_unknown_camera_has_an_empty_page(get: Get) -> None:
    page = get("/api/v1/records/detection-records/nobody").get_json()
    assert (page["records"], page["total"]) == ([], 0)


def test_a_window_is_inclusive_at_both_ends(get: Get) -> None:
    some = records(get, limit=10)
    window = get(RECORDS, start_time=some[7]["timestamp"], end_time=some[2]["timestamp"]).get_json()
    assert window["records"] == some[2:8]
    assert window["total"] == 6


def test_a_time_without_a_zone_is_utc_and_another_zone_is_understood(get: Get) -> None:
    newest = records(get, limit=1)[0]["timestamp"]
    elsewhere = datetime.fromisoformat(newest).astimezone(tz=None).isoformat()
    for start in (newest, newest.rstrip("Z"), elsewhere):
        assert len(records(get, start_time=start)) == 1


def test_a_violation_has_every_field(get: Get) -> None:
    response = get(VIOLATION.format(1))
    assert response.status_code == 200
    assert ViolationSchema().validate(response.get_json()) == {}
    assert (response.get_json()["id"], response.get_json()["status"]) == (1, "pending")
    assert response.get_json()["bbox"] is None


@pytest.mark.parametrize("violation_id", [0, -1, 999_999, 2**63 - 1])
def test_a_violation_that_is_not_there_is_404(get: Get, violation_id: int) -> None:
    response = get(VIOLATION.format(violation_id))
    assert response.status_code == 404
    assert response.content_type == "application/problem+json"
    assert response.get_json()["detail"] == f"There is no violation {violation_id}."
