"""Pages of records have defaults, and bounds that PostgreSQL can hold."""

import pytest

from detection_api.schemas.common import BIGINT_MAX
from detection_api.schemas.records import PageQuerySchema, ViolationPathSchema


def test_a_page_starts_at_the_newest_record_by_default() -> None:
    assert PageQuerySchema().load({}) == {
        "limit": 100,
        "offset": 0,
        "cursor": None,
        "start_time": None,
        "end_time": None,
    }


@pytest.mark.parametrize("text", ["-1", str(BIGINT_MAX + 1), "1.5"])
def test_an_offset_that_postgresql_cannot_hold_is_refused(text: str) -> None:
    assert PageQuerySchema().validate({"offset": text}).keys() == {"offset"}
    assert PageQuerySchema().load({"offset": str(BIGINT_MAX)})["offset"] == BIGINT_MAX


def test_an_id_of_a_violation_is_a_number() -> None:
    assert ViolationPathSchema().load({"violation_id": "7"}) == {"violation_id": 7}
    assert ViolationPathSchema().validate({"violation_id": "seven"}).keys() == {"violation_id"}
