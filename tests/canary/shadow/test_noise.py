"""What is no noise is kept, and what is data is kept out of samples."""

import re

import pytest
from msgspec import UNSET

from detection_api.canary.comparison.diff import compare
from detection_api.canary.comparison.differences import Difference, Kind
from detection_api.canary.contract.rules import FREE_FORM, Array, Map, Object, Rule, Scalar
from detection_api.canary.shadow.noise import lasting, redacted_sample, sample

ROW = Object(members={"name": Scalar(), "count": Scalar(), "seen": Scalar(nullable=True)})
PAGE = Object(members={"rows": Array(items=ROW), "total": Scalar(), "by_key": Map(values=ROW)})
SECRET = "hunter2"


def difference(path: str, kind: Kind, reference: object = 1, candidate: object = 2) -> Difference:
    return Difference(path, kind, path.replace("[*]", "[0]"), reference, candidate)


VALUE, LENGTH = difference("$.stats.persons", Kind.VALUE), difference("$.rows", Kind.LENGTH, [1])
TYPE = difference("$.rows[*].count", Kind.TYPE)


def test_what_is_found_once_lasts_if_it_is_structural() -> None:
    assert lasting([VALUE, TYPE], again=[], moved=[]) == (TYPE,)


def test_what_is_found_twice_lasts_while_the_data_stands_still() -> None:
    assert lasting([VALUE, TYPE], again=[VALUE, LENGTH], moved=[]) == (VALUE, TYPE)


def test_another_kind_at_the_same_path_is_another_difference() -> None:
    null = difference(VALUE.path, Kind.NULL, 1, None)
    assert lasting([VALUE], again=[null], moved=[]) == ()


@pytest.mark.parametrize(
    ("found", "moved"),
    [
        (VALUE, VALUE),
        (VALUE, difference("$.stats.fps", Kind.VALUE)),
        (difference("$.stats.at", Kind.NULL, 1, None), difference("$.stats.fps", Kind.VALUE)),
        (TYPE, TYPE),
        (LENGTH, difference("$.rows", Kind.LENGTH, [], [1])),
        (difference("$.rows", Kind.LENGTH, [1], []), difference("$.rows", Kind.LENGTH, [1], [])),
    ],
    ids=["itself", "beside it", "a null", "legacy's own structure", "a list", "an emptied list"],
)
def test_what_legacy_does_itself_is_noise(found: Difference, moved: Difference) -> None:
    assert lasting([found], again=[found], moved=[moved]) == ()


@pytest.mark.parametrize(
    ("found", "moved"),
    [
        (VALUE, difference("$.total", Kind.VALUE)),
        (VALUE, difference("$.stats.fps", Kind.MISSING)),
        (TYPE, difference("$.rows", Kind.LENGTH)),
        (
            difference("$.rows", Kind.LENGTH, [1], []),
            difference("$.rows", Kind.LENGTH, [1], [1, 2]),
        ),
        (difference("$.rows", Kind.LENGTH, [1], []), difference("$.rows", Kind.ORDER)),
    ],
    ids=["elsewhere", "a member gone", "structure in a list", "not emptied", "in another order"],
)
def test_what_movement_does_not_explain_lasts(found: Difference, moved: Difference) -> None:
    assert lasting([found], again=[found], moved=[moved]) == (found,)


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
