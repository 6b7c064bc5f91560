"""Answers that break their schema are named and never encoded; the others come out exactly."""

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, fields, post_dump, validate
from msgspec import Raw, Struct

from detection_api.canary.contract.encoder import (
    Answer,
    Contract,
    ContractViolationError,
    ResponseReturnedError,
)
from detection_api.canary.contract.wire_types import UnderivableError, derive

NOW = datetime(2025, 10, 31, 9, 15, 0, 123456, tzinfo=UTC)


class Moment(fields.AwareDateTime):
    """A field class of an application's own that declares what it is on the wire."""

    wire_type: ClassVar = datetime


class Box(Schema):
    x = fields.Float(required=True)


class Item(Schema):
    id = fields.Integer(required=True, strict=True)
    name = fields.String(required=True)
    score = fields.Float(required=True, allow_none=True)
    ok = fields.Boolean(required=True)
    at = Moment(required=True)
    day = fields.Date(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(("a", "b")))
    level = fields.Integer(required=True, strict=True, validate=validate.Range(0, 9))
    label = fields.String(required=True, validate=validate.Length(max=3))
    box = fields.Nested(Box, required=True, allow_none=True)
    counts = fields.Dict(keys=fields.String(), values=fields.Integer(strict=True), required=True)
    evidence = fields.Dict(keys=fields.String(), required=True)
    tags = fields.List(fields.String(), required=True)
    note = fields.String()


class Page(Schema):
    items = fields.List(fields.Nested(Item), required=True)


ITEM: dict[str, Any] = {
    "id": 7,
    "name": "区域",
    "score": None,
    "ok": True,
    "at": NOW,
    "day": date(2025, 10, 31),
    "kind": "a",
    "level": 3,
    "label": "abc",
    "box": {"x": 1.5},
    "counts": {"NO_HAIRNET": 2},
    "evidence": {"bbox": [1, 2.5], "who": None},
    "tags": ["x"],
}
WIRE = {**ITEM, "at": "2025-10-31T09:15:00.123456Z", "day": "2025-10-31"}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in ITEM.items() if key != name}


def test_an_answer_that_keeps_the_contract_is_encoded_in_the_schemas_order() -> None:
    body = Contract(Page).encode({"items": [dict(reversed(ITEM.items()))]})
    assert json.loads(body) == {"items": [WIRE]}
    assert list(json.loads(body)["items"][0]) == list(ITEM)


def test_a_field_that_may_be_missing_is_sent_when_it_is_there() -> None:
    body = Contract(Item(many=True)).encode([ITEM, {**ITEM, "note": "seen"}])
    assert [item.get("note") for item in json.loads(body)] == [None, "seen"]


class Row(Struct):
    """As a database hands it out."""

    x: float
    extra: int = 0


def test_objects_are_asked_for_the_fields_of_the_schema() -> None:
    assert Contract(Box(many=True)).encode([Row(1.5), {"x": 2.5}]) == b'[{"x":1.5},{"x":2.5}]'
    with pytest.raises(ContractViolationError, match="Missing data"):
        Contract(Item).encode(Row(1.5))


def test_free_form_json_that_is_encoded_already_is_sent_as_it_is() -> None:
    written = b'{"bbox": [1, 2.50],  "who": null}'
    item = {**ITEM, "evidence": Raw(written)}
    contract = Contract(Item)
    assert written in contract.encode(item)
    assert contract.wire(item) == {**WIRE, "evidence": {"bbox": [1, 2.5], "who": None}}


def test_a_free_form_object_may_be_null_where_the_schema_says_so() -> None:
    contract = Contract(Schema.from_dict({"any": fields.Dict(required=True, allow_none=True)}))
    values: tuple[object, ...] = (None, {}, Raw(b"{}"))
    bodies = [contract.encode({"any": value}) for value in values]
    assert bodies == [b'{"any":null}', b'{"any":{}}', b'{"any":{}}']


def test_raw_fields_take_any_json_but_nothing_else() -> None:
    contract = Contract(Schema.from_dict({"any": fields.Raw(required=True)}))
    assert contract.encode({"any": Raw(b"[1]")}) == b'{"any":[1]}'
    with pytest.raises(ContractViolationError, match="malformed"):
        contract.encode({"any": Raw(b"nonsense")})


VIOLATIONS: list[tuple[str, dict[str, Any], str]] = [
    ("missing field", without("score"), "Missing data for required field."),
    ("extra field", {**ITEM, "extra": 1}, "Unknown field."),
    ("null", {**ITEM, "name": None}, "Field may not be null."),
    ("float for integer", {**ITEM, "id": 1.0}, "Not a valid integer."),
    ("text for integer", {**ITEM, "id": "1"}, "Not a valid integer."),
    ("boolean for integer", {**ITEM, "id": True}, "Not a valid integer."),
    ("text for number", {**ITEM, "score": "0.5"}, "Expected `float | null`, got `str`"),
    ("NaN", {**ITEM, "score": math.nan}, "Special numeric values"),
    ("infinity", {**ITEM, "score": math.inf}, "Special numeric values"),
    ("NaN in free-form JSON", {**ITEM, "evidence": {"a": [math.nan]}}, "NaN"),
    ("number for text", {**ITEM, "name": 5}, "Not a valid string."),
    ("integer for boolean", {**ITEM, "ok": 1}, "Expected `bool`, got `int`"),
    ("naive time", {**ITEM, "at": NOW.replace(tzinfo=None)}, "Not a valid aware datetime."),
    ("time in another zone", {**ITEM, "at": NOW.astimezone(timezone(timedelta(hours=8)))}, "UTC"),
    ("epoch for time", {**ITEM, "at": 1761900000.1}, "Not a valid datetime."),
    ("not one of", {**ITEM, "kind": "c"}, "Must be one of"),
    ("out of range", {**ITEM, "level": 10}, "less than or equal to 9"),
    ("too long", {**ITEM, "label": "abcd"}, "Longer than maximum length"),
    ("nested", {**ITEM, "box": {"x": None}}, "Field may not be null."),
    ("in a mapping", {**ITEM, "counts": {"A": 1.5}}, "Not a valid integer."),
    ("in a list", {**ITEM, "tags": [1]}, "Not a valid string."),
    ("null for free-form object", {**ITEM, "evidence": None}, "Field may not be null."),
    ("array for free-form object", {**ITEM, "evidence": []}, "Not a valid mapping type."),
    ("number for a free-form key", {**ITEM, "evidence": {1: 2}}, "Not a valid string."),
    ("encoded array for object", {**ITEM, "evidence": Raw(b"[]")}, "Not a valid mapping type."),
    ("encoded null for object", {**ITEM, "evidence": Raw(b"null")}, "Field may not be null."),
    ("encoded, but no JSON", {**ITEM, "evidence": Raw(b'{"a":NaN}')}, "malformed"),
    ("encoded, but cut short", {**ITEM, "evidence": Raw(b'{"a":1')}, "truncated"),
    ("unencodable text", {**ITEM, "name": "\ud800"}, "surrogates"),
    ("unencodable value", {**ITEM, "evidence": {"a": object()}}, "unsupported"),
]


@pytest.mark.parametrize(
    ("item", "words"), [v[1:] for v in VIOLATIONS], ids=[v[0] for v in VIOLATIONS]
)
def test_an_answer_that_breaks_the_contract_is_named_and_not_encoded(
    item: dict[str, Any], words: str
) -> None:
    with pytest.raises(ContractViolationError, match=words):
        Contract(Page).encode({"items": [ITEM, item]})


def test_marshmallows_words_say_where() -> None:
    with pytest.raises(ContractViolationError) as caught:
        Contract(Page).encode({"items": [ITEM, without("score")]})
    assert caught.value.messages == {"items": {1: {"score": ["Missing data for required field."]}}}


@pytest.mark.parametrize("value", [None, [], "text", {"items": None}, {"items": ITEM}, object()])
def test_an_answer_of_another_shape_is_a_violation(value: Any) -> None:
    with pytest.raises(ContractViolationError):
        Contract(Page).encode(value)


def test_the_reference_is_sent_as_it_is_with_its_violation() -> None:
    answer = Contract(Page).encode_reference({"items": [{"id": "7"}]})
    assert answer.body == b'{"items":[{"id":"7"}]}'
    assert answer.violation is not None
    assert Contract(Page).encode_reference({"items": []}) == Answer({"items": []}, b'{"items":[]}')


items = st.fixed_dictionaries(
    {
        "id": st.integers(-(2**63), 2**63 - 1),
        "name": st.text(st.characters(exclude_categories=["Cs"])),
        "score": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "ok": st.booleans(),
        "at": st.datetimes(timezones=st.just(UTC)),
        "day": st.dates(),
        "kind": st.sampled_from("ab"),
        "level": st.integers(0, 9),
        "label": st.text("xyz", max_size=3),
        "box": st.none() | st.fixed_dictionaries({"x": st.floats(-1e9, 1e9)}),
        "counts": st.dictionaries(st.text("AB"), st.integers(0, 9)),
        "evidence": st.dictionaries(st.text("ab"), st.none() | st.booleans() | st.integers(0, 9)),
        "tags": st.lists(st.text("xyz")),
    }
)


@given(st.lists(items, max_size=3))
def test_the_derived_encoder_says_what_marshmallow_says(generated: list[dict[str, Any]]) -> None:
    derived = json.loads(Contract(Page).encode({"items": generated}))
    plain = Page().dump({"items": generated})
    for item in plain["items"]:
        item["at"] = item["at"].replace("+00:00", "Z")
    assert derived == plain


class Shouted(fields.String):
    def _serialize(self, value: Any, *_: Any, **__: Any) -> Any:
        return value.upper()


class WithHook(Schema):
    name = fields.String(required=True)

    @post_dump
    def _mark(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**data, "name": data["name"] + "!"}


class Tree(Schema):
    name = fields.String(required=True)
    below = fields.List(fields.Nested(lambda: Tree()), required=True)  # noqa: PLW0108


@pytest.mark.parametrize(
    ("schema", "value", "body"),
    [
        (Schema.from_dict({"name": Shouted(required=True)}), {"name": "a"}, b'{"name":"A"}'),
        (WithHook, {"name": "a"}, b'{"name":"a!"}'),
        (
            Tree,
            {"name": "a", "below": [{"name": "b", "below": []}]},
            b'{"name":"a","below":[{"name":"b","below":[]}]}',
        ),
        (Schema.from_dict({"n": fields.Integer(as_string=True)}), {"n": 5}, b'{"n":"5"}'),
        (Schema.from_dict({"n": fields.Integer(attribute="m")}), {"m": 5}, b'{"n":5}'),
        (Schema.from_dict({"n": fields.Integer(dump_default=1)}), {}, b'{"n":1}'),
        (Schema.from_dict({"d": fields.Date(format="%d.%m.")}), {"d": NOW}, b'{"d":"31.10."}'),
        (
            Schema.from_dict({"m": fields.Dict(keys=fields.Integer())}),
            {"m": {1: "a"}},
            b'{"m":{"1":"a"}}',
        ),
        (
            Schema.from_dict({"n": fields.String(validate=validate.Regexp("a+"))}),
            {"n": "aa"},
            b'{"n":"aa"}',
        ),
    ],
    ids=[
        "own field class", "hook", "self-nesting", "number as text", "attribute", "default",
        "date format", "keys that are not text", "own validator",
    ],
)  # fmt: skip
def test_what_cannot_be_derived_is_served_by_marshmallow(
    schema: type[Schema], value: Any, body: bytes
) -> None:
    with pytest.raises(UnderivableError):
        derive(schema())
    assert Contract(schema).encode(value) == body


@pytest.mark.parametrize("value", [{}, {"name": 5}, None, {"name": None}, {"name": "b"}], ids=str)
def test_marshmallow_serves_with_the_same_promise(value: Any) -> None:
    schema = Schema.from_dict(
        {"name": Shouted(required=True, validate=validate.Equal("A")), "n": fields.Float()}
    )
    with pytest.raises(ContractViolationError):
        Contract(schema).encode(value)


def test_a_data_key_is_the_name_on_the_wire() -> None:
    schema = Schema.from_dict({"kind": fields.String(required=True, data_key="type")})
    assert Contract(schema).encode({"type": "a"}) == b'{"type":"a"}'


class FrameworkResponse:
    """What a web framework sends: it has attributes that could pass for an answer."""

    status = "200 OK"


class Health(Schema):
    status = fields.String(required=True)


class Optional(Schema):
    name = fields.String()


class Hooked(Schema):
    name = fields.String()

    @post_dump
    def keep(self, data: Any, **_: Any) -> Any:
        return data


@pytest.mark.parametrize("schema", [Item, Health, Optional, Hooked])
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(FrameworkResponse(), id="response"),
        pytest.param((FrameworkResponse(), 200), id="response and status"),
        pytest.param(({"name": "a", "status": "ok"}, 200), id="data and status"),
        pytest.param(({"name": "a", "status": "ok"}, {"X-A": "b"}), id="data and headers"),
        pytest.param(({"name": "a", "status": "ok"}, 200, {"X-A": "b"}), id="all three"),
    ],
)
def test_a_response_is_never_an_answer(schema: type[Schema], value: Any) -> None:
    contract = Contract(schema, response_type=FrameworkResponse)
    with pytest.raises(ResponseReturnedError, match="Return plain data"):
        contract.encode(value)
    answer = contract.encode_reference(value)
    assert answer.value is value
    assert answer.body == b""
    assert isinstance(answer.violation, ResponseReturnedError)


def test_a_tuple_of_items_is_data() -> None:
    contract = Contract(Optional(many=True), response_type=FrameworkResponse)
    assert contract.encode(({"name": "a"}, {"name": "b"})) == b'[{"name":"a"},{"name":"b"}]'
