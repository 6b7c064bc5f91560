"""The rules of a comparison are those that the schema declares, compiled once."""

import copy
from dataclasses import FrozenInstanceError
from datetime import datetime
from typing import Any, ClassVar

import pytest
from marshmallow import Schema, fields, validate

from detection_api.canary.contract.rules import (
    DEFAULT_TOLERANCE,
    FREE_FORM,
    Array,
    FreeForm,
    Ignored,
    Map,
    Number,
    Object,
    Rule,
    Scalar,
    Time,
    canonical,
    fingerprint,
    rules_of,
)
from detection_api.schemas.monitoring import HealthSchema
from detection_api.schemas.problem import ProblemSchema
from tests.canary.mutations import SCHEMAS


class Moment(fields.AwareDateTime):
    wire_type: ClassVar = datetime


class Inner(Schema):
    x = fields.Float(required=True)


class Tree(Schema):
    name = fields.String(required=True)
    below = fields.List(fields.Nested(lambda: Tree()), required=True)  # noqa: PLW0108


def rule_of(field: fields.Field[Any]) -> Rule:
    """The rule of a field, as a member."""
    rule = rules_of(Schema.from_dict({"field": field})())
    assert isinstance(rule, Object)
    return rule.members["field"]


INNER = Object(members={"x": Number()})

FIELDS: list[tuple[str, fields.Field[Any], Rule]] = [
    ("text", fields.String(required=True), Scalar()),
    ("one of some texts", fields.String(required=True, validate=validate.OneOf("ab")), Scalar()),
    ("whole number", fields.Integer(required=True), Scalar()),
    ("boolean", fields.Boolean(required=True), Scalar()),
    ("float", fields.Float(required=True), Number()),
    ("date", fields.Date(required=True), Time()),
    ("moment", Moment(required=True), Time()),
    ("not required", fields.Float(), Number(required=False)),
    ("nullable", fields.Float(required=True, allow_none=True), Number(nullable=True)),
    ("raw", fields.Raw(required=True), FREE_FORM),
    ("unknown", fields.Decimal(required=True), FREE_FORM),
    ("pluck", fields.Pluck(Inner, "x", required=True), FREE_FORM),
    ("nested", fields.Nested(Inner, required=True), INNER),
    ("nested many", fields.Nested(Inner, many=True, required=True), Array(items=INNER)),
    ("nested instance many", fields.Nested(Inner(), many=True, required=True), Array(items=INNER)),
    ("nested schema of many", fields.Nested(Inner(many=True), required=True), Array(items=INNER)),
    (
        "list of nested",
        fields.List(fields.Nested(Inner, required=True), required=True),
        Array(items=INNER),
    ),
    ("list of dates", fields.List(fields.Date(), required=True), Array(items=Time(required=False))),
    (
        "list of nullable floats",
        fields.List(fields.Float(required=True, allow_none=True), required=True),
        Array(items=Number(nullable=True)),
    ),
    ("free-form dict", fields.Dict(required=True), Map(values=FREE_FORM)),
    (
        "dict of numbers",
        fields.Dict(values=fields.Integer(required=True), required=True, allow_none=True),
        Map(values=Scalar(), nullable=True),
    ),
    ("ignored", fields.String(required=True, metadata={"compare": "ignore"}), Ignored()),
    (
        "ignored and nested",
        fields.Nested(Inner, metadata={"compare": "ignore"}),
        Ignored(required=False),
    ),
    (
        "approximate",
        fields.Float(required=True, metadata={"compare": "approx"}),
        Number(tolerance=DEFAULT_TOLERANCE),
    ),
    (
        "approximate with a tolerance",
        fields.Float(required=True, metadata={"compare": "approx", "tolerance": 0.1}),
        Number(tolerance=0.1),
    ),
    (
        "list without order",
        fields.List(fields.String(required=True), required=True, metadata={"ordered": False}),
        Array(items=Scalar(), ordered=False),
    ),
    (
        "nested many without order",
        fields.Nested(Inner, many=True, required=True, metadata={"ordered": False}),
        Array(items=INNER, ordered=False),
    ),
]


@pytest.mark.parametrize(("field", "rule"), [f[1:] for f in FIELDS], ids=[f[0] for f in FIELDS])
def test_a_field_has_the_rule_that_it_declares(field: fields.Field[Any], rule: Rule) -> None:
    assert rule_of(field) == rule


def test_a_member_is_known_by_its_name_on_the_wire() -> None:
    rule = rules_of(Schema.from_dict({"x": fields.Float(data_key="X")})())
    assert rule == Object(members={"X": Number(required=False)})


def test_a_schema_of_many_is_a_list_in_order() -> None:
    assert rules_of(Inner(many=True)) == Array(items=INNER)


def test_a_schema_that_nests_itself_is_free_form_below() -> None:
    below = Array(items=FreeForm(required=False))
    assert rules_of(Tree()) == Object(members={"name": Scalar(), "below": below})


@pytest.mark.parametrize(
    "field",
    [
        fields.Float(metadata={"compare": "aprox"}),
        fields.Integer(metadata={"compare": "approx"}),
        Moment(metadata={"compare": "approx"}),
    ],
)
def test_a_way_to_compare_that_a_field_cannot_have_is_refused(field: fields.Field[Any]) -> None:
    with pytest.raises(ValueError, match=r"field is a .* with compare="):
        rule_of(field)


@pytest.mark.parametrize("schema", [*SCHEMAS.values(), HealthSchema(), ProblemSchema()], ids=repr)
def test_nothing_in_the_applications_own_answers_is_left_out_of_comparisons(schema: Schema) -> None:
    """Free-form JSON there is only where a Dict says so."""

    def kinds(rule: Rule) -> set[type[Rule]]:
        inside = () if isinstance(rule, Map) and rule.values == FREE_FORM else rule.parts
        return {type(rule)}.union(*(kinds(part) for part in inside))

    assert not kinds(rules_of(schema)) & {FreeForm, Ignored}


def test_a_rule_never_changes() -> None:
    rule = rules_of(Inner())
    assert isinstance(rule, Object)
    with pytest.raises(FrozenInstanceError):
        rule.nullable = True  # type: ignore[misc]
    with pytest.raises(TypeError):
        rule.members["y"] = FREE_FORM  # type: ignore[index]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (0, False),
        (None, False),
        ("1", 1),
        ([], {}),
        ([1, 2], [2, 1]),
        ("", None),
    ],
    ids=repr,
)
def test_fingerprints_of_different_json_differ(one: Any, other: Any) -> None:
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint([10**30, one]) != fingerprint([10**30, other])


def test_the_order_of_keys_does_not_change_a_fingerprint() -> None:
    for huge in (1, 10**30):
        one, other = {"a": huge, "b": {"c": 1, "d": 2}}, {"b": {"d": 2, "c": 1}, "a": huge}
        assert fingerprint(one) == fingerprint(other)


class Item(Schema):
    score = fields.Float()
    near = fields.Float(metadata={"compare": "approx"})
    trace = fields.String(metadata={"compare": "ignore"})
    tags = fields.List(fields.Float(), metadata={"ordered": False})
    traces = fields.List(fields.String(metadata={"compare": "ignore"}))
    by_name = fields.Dict(values=fields.Float())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"score": 1}, {"score": 1.0}, True),
        ({"score": 0.0}, {"score": -0.0}, True),
        ({"score": 1}, {"score": 2}, False),
        ({"score": 10**400}, {"score": 10**400 + 1}, False),
        ({"near": 1.0}, {"near": 2.0}, True),
        ({"near": 1.0}, {}, False),
        ({"near": "1"}, {"near": "2"}, False),
        ({"trace": "a"}, {}, True),
        ({"tags": [1, 2]}, {"tags": [2.0, 1]}, True),
        ({"tags": [1, 2]}, {"tags": [2, 2]}, False),
        ({"tags": "ab"}, {"tags": "ba"}, False),
        ({"traces": ["a", "b"]}, {"traces": ["c", None]}, True),
        ({"traces": ["a", "b"]}, {"traces": ["a"]}, False),
        ({"by_name": {"a": 1}}, {"by_name": {"a": 1.0}}, True),
        ({"by_name": [1]}, {"by_name": [1.0]}, False),
        ({"unknown": 1}, {"unknown": 1.0}, False),
    ],
)
def test_canonical_bytes_are_the_same_for_what_is_equal_by_the_rule(
    one: Any, other: Any, same: bool
) -> None:
    rule = rules_of(Item())
    before = copy.deepcopy(one)
    assert (canonical(rule, one) == canonical(rule, other)) is same
    assert one == before
