"""Samples of differences hold no data unless the operator wants it."""

import re

import pytest
from msgspec import UNSET

from detection_api.canary.comparison.diff import compare
from detection_api.canary.contract.rules import FREE_FORM, Array, Map, Object, Rule, Scalar
from detection_api.canary.shadow.noise import redacted_sample, sample

ROW = Object(members={"name": Scalar(), "count": Scalar(), "seen": Scalar(nullable=True)})
PAGE = Object(members={"rows": Array(items=ROW), "total": Scalar(), "by_key": Map(values=ROW)})
SECRET = "hunter2"


def rows(*counts: int) -> list[dict[str, object]]:
    return [{"name": "ann", "count": count, "seen": None} for count in counts]


KEYS = [SECRET, f"{SECRET}.a", f"[{SECRET}]", f'"{SECRET}"]["', f"{SECRET}\\", "[0]", "中", "*", ""]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("rule", [PAGE, FREE_FORM], ids=["declared", "free form"])
def test_a_redacted_sample_has_indices_and_no_keys(rule: Rule, key: str) -> None:
    page = {"rows": rows(1, 2, 3), "total": 3, "by_key": {key: rows(1)[0]}}
    other = {"rows": rows(1, 2, 7), "total": 3, "by_key": {key: rows(7)[0]}}
    found = [redacted_sample(d, "request-1") for d in compare(rule, page, other)]
    assert len(found) == 2
    for one in found:
        assert re.fullmatch(
            r"\$\.(rows|\*)\[2\]\.(count|\*)|\$\.(by_key|\*)\.\*\.(count|\*)", one["at"]
        ), one["at"]
        assert one == {
            "request_id": "request-1",
            "at": one["at"],
            "legacy": "integer",
            "domain": "integer",
        }


def test_a_redacted_sample_shows_no_text() -> None:
    (found,) = compare(Scalar(), SECRET, f"{SECRET}!")
    assert redacted_sample(found, "request-1") == {
        "request_id": "request-1",
        "at": "$",
        "legacy": "string(7)",
        "domain": "string(8)",
    }


def test_a_sample_with_values_shows_where_and_what_they_were() -> None:
    (found,) = compare(PAGE, {"by_key": {SECRET: None}}, {"by_key": {}})
    assert sample(found, "request-1") == {
        "request_id": "request-1",
        "at": f"$.by_key.{SECRET}",
        "legacy": "null",
        "domain": "absent",
    }
    assert found.candidate is UNSET
