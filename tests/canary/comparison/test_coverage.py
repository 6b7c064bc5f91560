"""A branch of the contract is covered when an answer took it, and only then."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, fields, validate

from detection_api.canary.comparison.coverage import branches_in, branches_of
from detection_api.canary.contract.rules import rules_of
from tests.canary import mutations
from tests.canary.mutations import SCHEMAS


class Part(Schema):
    size = fields.Float(required=True, allow_none=True)
    kind = fields.String(required=True, validate=validate.OneOf(("a", "b")))


class Thing(Schema):
    """A branch of every sort."""

    parts = fields.List(fields.Nested(Part), required=True)
    best = fields.Nested(Part, required=True, allow_none=True)
    counts = fields.Dict(values=fields.List(fields.Integer()), required=True)
    free = fields.Dict(required=True)
    note = fields.String(allow_none=True)
    trace = fields.Dict(metadata={"compare": "ignore"})
    traces = fields.List(fields.Dict(metadata={"compare": "ignore"}), required=True)


RULE = rules_of(Thing())
ALL = {
    "$.parts:empty",
    "$.parts:items",
    "$.parts[*].size:null",
    "$.parts[*].size:value",
    "$.best:null",
    "$.best:value",
    "$.best.size:null",
    "$.best.size:value",
    "$.counts:empty",
    "$.counts:items",
    "$.counts.*:empty",
    "$.counts.*:items",
    "$.free:empty",
    "$.free:items",
    "$.note:absent",
    "$.note:present",
    "$.note:null",
    "$.note:value",
    "$.traces:empty",
    "$.traces:items",
}
EMPTY: dict[str, Any] = {"parts": [], "best": None, "counts": {}, "free": {}, "traces": []}
FULL: dict[str, Any] = {
    "parts": [{"size": 1.0, "kind": "a"}, {"size": None, "kind": "b"}],
    "best": {"size": None, "kind": "a"},
    "counts": {"a": [1], "b": []},
    "free": {"anything": []},
    "note": None,
    "traces": [{}],
}


def test_every_branch_of_the_contract_is_known() -> None:
    assert branches_of(RULE) == ALL


def test_an_answer_takes_the_branches_that_it_shows() -> None:
    assert branches_in(RULE, EMPTY) == {
        *("$.parts:empty", "$.best:null", "$.counts:empty", "$.free:empty", "$.note:absent"),
        "$.traces:empty",
    }
    assert branches_in(RULE, FULL) == {
        *("$.parts:items", "$.parts[*].size:null", "$.parts[*].size:value"),
        *("$.best:value", "$.best.size:null"),
        *("$.counts:items", "$.counts.*:empty", "$.counts.*:items", "$.free:items"),
        *("$.note:present", "$.note:null", "$.traces:items"),
    }


def test_a_list_of_answers_is_covered_from_its_root() -> None:
    rule = rules_of(Part(many=True))
    assert branches_of(rule) == {"$:empty", "$:items", "$[*].size:null", "$[*].size:value"}
    assert branches_in(rule, []) == {"$:empty"}
    assert branches_in(rule, [{"size": 1.0, "kind": "a"}]) == {"$:items", "$[*].size:value"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*FULL, "size"]), inner),
)


@given(JSON)
def test_no_answer_takes_a_branch_that_the_contract_does_not_have(value: Any) -> None:
    assert branches_in(RULE, value) <= ALL


@pytest.mark.parametrize("endpoint", SCHEMAS)
def test_many_answers_of_an_endpoint_take_all_branches_but_what_they_never_show(
    endpoint: str,
) -> None:
    rng = random.Random(5)
    rule = rules_of(SCHEMAS[endpoint])
    taken: set[str] = set()
    for size in range(60):
        taken |= branches_in(rule, mutations.answer(endpoint, rng, size % 5))
    never = {"$.cameras[*].region_id:value"} if endpoint == "cameras" else set()
    assert taken == branches_of(rule) - never


def test_an_answer_covers_what_its_items_cover_one_by_one() -> None:
    rng = random.Random(6)
    rule = rules_of(SCHEMAS["events"])
    page = mutations.answer("events", rng, 40)
    one_by_one = [branches_in(rule, {"events": [item], "total": 1}) for item in page["events"]]
    assert branches_in(rule, page) == set().union(*one_by_one)
