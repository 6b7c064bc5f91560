"""Differences are found, with path and kind, whatever they are; and none where there is none."""

import copy
import json
import math
import random
import re
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from marshmallow import Schema, fields
from msgspec import UNSET

from detection_api.canary.comparison import diff
from detection_api.canary.comparison.diff import MAX_DEPTH, compare, compare_outcomes
from detection_api.canary.comparison.differences import ComparedOutcome, Difference, Kind, is_moved
from detection_api.canary.comparison.json_types import MAX_SHOWN, redacted, shown
from detection_api.canary.contract.rules import FREE_FORM, canonical, rules_of
from tests.canary import mutations
from tests.canary.mutations import SCHEMAS, Found, Mutation

RULES = {endpoint: rules_of(schema) for endpoint, schema in SCHEMAS.items()}
CORPUS = mutations.corpus(seed=2026)
MISSING, EXTRA, NULL, TYPE = Kind.MISSING, Kind.EXTRA, Kind.NULL, Kind.TYPE
VALUE, ORDER, LENGTH, STATUS = Kind.VALUE, Kind.ORDER, Kind.LENGTH, Kind.STATUS


class Moment(fields.AwareDateTime):
    wire_type: ClassVar = datetime


class Row(Schema):
    id = fields.Integer()
    near = fields.Float(metadata={"compare": "approx"})
    request_id = fields.String(metadata={"compare": "ignore"})


class Thing(Schema):
    """One field of every kind."""

    id = fields.Integer()
    score = fields.Float()
    near = fields.Float(metadata={"compare": "approx"})
    far = fields.Float(metadata={"compare": "approx", "tolerance": 0.1})
    at = Moment()
    tags = fields.List(fields.String(), metadata={"ordered": False})
    rows = fields.List(fields.Nested(Row))
    counts = fields.Dict(values=fields.Integer())
    free = fields.Dict()
    raw = fields.Raw()
    request_id = fields.String(metadata={"compare": "ignore"})


RULE = rules_of(Thing())


def found(reference: Any, candidate: Any) -> set[tuple[str, Kind]]:
    return {(d.path, d.kind) for d in compare(RULE, reference, candidate)}


def test_the_corpus_is_large_and_has_every_mutation() -> None:
    assert len(CORPUS) >= 500
    assert {mutation.name for mutation in CORPUS} == set(mutations.MUTATIONS)
    assert {mutation.endpoint for mutation in CORPUS} == set(SCHEMAS)


@pytest.mark.parametrize("name", mutations.MUTATIONS)
def test_every_mutation_is_found_with_its_path_and_kind_and_nothing_else(name: str) -> None:
    for made in (mutation for mutation in CORPUS if mutation.name == name):
        differences = compare(RULES[made.endpoint], made.reference, made.candidate)
        assert {(d.path, d.kind) for d in differences} == made.expected, made


def test_every_mutation_is_found_from_the_other_side_too() -> None:
    for made in CORPUS:
        assert compare(RULES[made.endpoint], made.candidate, made.reference) != (), made


def rewritten(value: Any, rng: random.Random) -> Any:
    """The same answer from an implementation that has another order of keys."""
    if isinstance(value, dict):
        members = [(key, rewritten(item, rng)) for key, item in value.items()]
        rng.shuffle(members)
        return dict(members)
    return [rewritten(item, rng) for item in value] if isinstance(value, list) else value


def test_10000_equal_pairs_have_no_difference() -> None:
    rng = random.Random(7)
    endpoints = list(SCHEMAS)
    for number in range(10_000):
        endpoint = endpoints[number % len(endpoints)]
        reference = mutations.answer(endpoint, rng, size=rng.randrange(6))
        assert compare(RULES[endpoint], reference, rewritten(reference, rng)) == ()


class Plant:
    """Events that keep coming, as three endpoints show them; not all come in order of time."""

    def __init__(self, rng: random.Random, limit: int) -> None:
        self._rng = rng
        self._limit = limit
        self._events: list[dict[str, Any]] = []
        self._frames = 0
        self._last: str | None = None

    def move(self, events: int) -> None:
        """Let so many more events happen."""
        for _ in range(events):
            late = self._rng.choice([0, 0, 0, 1, 3])
            self._events.insert(late, mutations.event(self._rng))
            self._frames += 25
            self._last = mutations.moment(self._rng)

    def answer(self, endpoint: str) -> Any:
        page = copy.deepcopy(self._events[: self._limit])
        counts: dict[str, int] = {}
        for event in self._events:
            counts[event["type"]] = counts.get(event["type"], 0) + 1
        stats = {"total_frames": self._frames, "last_detection_time": self._last}
        return {
            "events": {"events": page, "total": len(page)},
            "daily": [
                {"date": "2026-01-01", "total_events": 0, "counts_by_type": {}},
                {
                    "date": "2026-01-02",
                    "total_events": sum(counts.values()),
                    "counts_by_type": counts,
                },
            ],
            "camera_stats": {"camera_id": "cam0", "stats": stats},
        }[endpoint]


@pytest.mark.parametrize("endpoint", ["events", "daily", "camera_stats"])
def test_10000_answers_with_moving_data_have_no_difference_that_lasts(endpoint: str) -> None:
    """Legacy, domain, legacy: events arrive between, or do not."""
    rng = random.Random(11)
    rule = RULES[endpoint]
    differed = 0
    for _ in range(3_334):
        plant = Plant(rng, limit=rng.randrange(1, 7))
        plant.move(rng.randrange(8))
        before = plant.answer(endpoint)
        plant.move(rng.randrange(3))
        domain = plant.answer(endpoint)
        plant.move(rng.randrange(3))
        own = compare(rule, before, plant.answer(endpoint))
        differences = compare(rule, before, domain)
        differed += bool(differences)
        assert [d for d in differences if not is_moved(own, d)] == []
    assert differed > 1_000


def test_what_breaks_the_structure_lasts_however_the_list_moves() -> None:
    structural = {MISSING, EXTRA, TYPE}
    rng = random.Random(13)
    checked = 0
    for made in CORPUS:
        if made.endpoint not in ("events", "detection_records", "history", "cameras"):
            continue
        later = mutations.answer(made.endpoint, rng, size=6)
        rule = RULES[made.endpoint]
        own = compare(rule, made.reference, later)
        differences = compare(rule, made.reference, made.candidate)
        lasting = {(d.path, d.kind) for d in differences if not is_moved(own, d)}
        fixed = {
            (path, kind)
            for path, kind in made.expected
            if kind in structural and not re.search(r"(metadata|detail)\.\*", path)
        }
        assert fixed <= lasting, made
        checked += len(fixed)
    assert checked > 100


MOVED: list[tuple[str, Found, tuple[str, Kind], bool]] = [
    ("nothing moved", frozenset(), ("$.fps", VALUE), False),
    ("the same value", frozenset({("$.fps", VALUE)}), ("$.fps", VALUE), True),
    ("another value", frozenset({("$.fps", VALUE)}), ("$.fps2", VALUE), False),
    ("null where a value moved", frozenset({("$.fps", VALUE)}), ("$.fps", NULL), False),
    ("a value where null moved", frozenset({("$.fps", NULL)}), ("$.fps", VALUE), True),
    ("below what was null", frozenset({("$.bbox", NULL)}), ("$.bbox.x", VALUE), True),
    ("another field of the item", frozenset({("$.e[*].a", VALUE)}), ("$.e[*].b", NULL), True),
    ("an item of a grown list", frozenset({("$.e", LENGTH)}), ("$.e[*].b.c", VALUE), True),
    ("an item of a shuffled list", frozenset({("$.e", ORDER)}), ("$.e[*].b", VALUE), True),
    ("the list around the item", frozenset({("$.e[*].a", VALUE)}), ("$.e", LENGTH), True),
    ("another list", frozenset({("$.e[*].a", VALUE)}), ("$.f[*].a", VALUE), False),
    ("beside the list", frozenset({("$.e[*].a", VALUE)}), ("$.total", VALUE), False),
    ("null for the list", frozenset({("$.e", LENGTH)}), ("$.e", NULL), False),
    ("a missing field", frozenset({("$.e[*].a", VALUE)}), ("$.e[*].a", MISSING), False),
    ("a field that went missing", frozenset({("$.e[*].a", MISSING)}), ("$.e[*].a", MISSING), True),
    ("another type", frozenset({("$.e[*].a", VALUE)}), ("$.e[*].a", TYPE), False),
    ("an error", frozenset({("$", LENGTH)}), ("$", STATUS), False),
    ("an error that came", frozenset({("$", STATUS)}), ("$", STATUS), True),
    ("a value that went", frozenset({("$", STATUS)}), ("$.fps", VALUE), True),
]


@pytest.mark.parametrize(
    ("own", "one", "is_noise"), [m[1:] for m in MOVED], ids=[m[0] for m in MOVED]
)
def test_data_that_moved_explains(own: Found, one: tuple[str, Kind], is_noise: bool) -> None:
    moved = [Difference(path, kind, path, 1, 2) for path, kind in own]
    assert is_moved(moved, Difference(*one, one[0], 1, 2)) is is_noise


def test_what_is_free_in_a_list_is_explained_by_the_list() -> None:
    own = [Difference("$.e", LENGTH, "$.e", [], [1])]
    in_free_form = Difference("$.e[*].free.*", TYPE, "$.e[0].free.a", 1, 1.5, free=True)
    assert is_moved(own, in_free_form)
    assert not in_free_form.structural


@pytest.mark.parametrize(
    ("reference", "candidate", "structural"),
    [
        ({"counts": {"A": 1}}, {"counts": {}}, False),
        ({"counts": {"A": 1}}, {"counts": {"A": 1.0}}, True),
        ({"counts": {}}, {}, True),
        ({"free": {"a": 1}}, {"free": {"a": "1"}}, False),
        ({"free": {}}, {"free": []}, True),
        ({"raw": 1}, {}, True),
        ({}, {"other": 1}, True),
    ],
)
def test_keys_of_maps_and_free_form_json_are_data_and_all_else_is_structure(
    reference: Any, candidate: Any, structural: bool
) -> None:
    (difference,) = compare(RULE, reference, candidate)
    assert difference.structural is structural


EQUAL: list[tuple[str, Any, Any]] = [
    ("a float without a fraction", {"score": 1}, {"score": 1.0}),
    ("minus zero", {"score": 0.0}, {"score": -0.0}),
    ("near", {"near": 1.0}, {"near": 1.0000001}),
    ("near and whole", {"near": 1}, {"near": 1.0000001}),
    ("as far as allowed", {"far": 10.0}, {"far": 10.9}),
    ("ignored", {"request_id": "a"}, {"request_id": None}),
    ("ignored and missing", {"request_id": "a"}, {}),
    ("ignored and extra", {}, {"request_id": "a"}),
    ("no order", {"tags": ["a", "b", "a"]}, {"tags": ["a", "a", "b"]}),
    ("ignored in an item", {"rows": [{"id": 1, "request_id": "a"}]}, {"rows": [{"id": 1}]}),
    ("near in an item", {"rows": [{"near": 1.0}]}, {"rows": [{"near": 1.0000001}]}),
    ("both not what was promised", {"id": "1", "at": 5}, {"id": "1", "at": 5}),
    ("not a number on both sides", {"score": math.nan}, {"score": math.nan}),
    ("more than 64 bits", {"raw": 10**30}, {"raw": 10**30}),
    ("no UTF-8", {"raw": ["\ud800"]}, {"raw": ["\ud800"]}),
    ("beyond floats", {"score": 10**400, "near": 10**400}, {"score": 10**400, "near": 10**400}),
    ("tuple for list", {"raw": [1, [2]]}, {"raw": (1, (2,))}),
]


@pytest.mark.parametrize(
    ("reference", "candidate"), [e[1:] for e in EQUAL], ids=[e[0] for e in EQUAL]
)
def test_equal_by_the_rules(reference: Any, candidate: Any) -> None:
    assert found(copy.deepcopy(reference), candidate) == set()
    assert found(candidate, reference) == set()


DIFFERENT: list[tuple[str, Any, Any, set[tuple[str, Kind]]]] = [
    ("not near", {"near": 1.0}, {"near": 1.00001}, {("$.near", VALUE)}),
    ("too far", {"far": 10.0}, {"far": 11.2}, {("$.far", VALUE)}),
    ("near, but null", {"near": 1.0}, {"near": None}, {("$.near", NULL)}),
    ("near, but text", {"near": 1.0}, {"near": "1.0"}, {("$.near", TYPE)}),
    ("near, but missing", {"near": 1.0}, {}, {("$.near", MISSING)}),
    ("both text, not near", {"near": "1.0"}, {"near": "1.1"}, {("$.near", VALUE)}),
    ("both wrong in the same way", {"id": "1"}, {"id": "2"}, {("$.id", VALUE)}),
    ("a candidate that is right", {"id": "1"}, {"id": 1}, {("$.id", TYPE)}),
    (
        "both naive",
        {"at": "2026-01-01T00:00:00"},
        {"at": "2026-01-01T00:00:01"},
        {("$.at", VALUE)},
    ),
    (
        "naive and only a date",
        {"at": "2026-01-01T00:00:00"},
        {"at": "2026-01-01"},
        {("$.at", TYPE)},
    ),
    (
        "near in shifted items",
        {"rows": [{"id": 1, "near": 1.0}, {"id": 2, "near": 5.0}]},
        {"rows": [{"id": 0, "near": 1.0}, {"id": 1, "near": 2.0}, {"id": 2, "near": 5.0}]},
        {("$.rows", LENGTH), ("$.rows[*].near", VALUE)},
    ),
    (
        "another order and another item",
        {"raw": [1, 2, 3, 4]},
        {"raw": [9, 4, 3, 2]},
        {("$.raw", ORDER), ("$.raw[*]", VALUE)},
    ),
    ("repeated items", {"raw": [1, 1, 2]}, {"raw": [1, 1, 3]}, {("$.raw[*]", VALUE)}),
    (
        "no order, but another item",
        {"tags": ["a", "b"]},
        {"tags": ["c", "a"]},
        {("$.tags[*]", VALUE)},
    ),
    ("1 and 1.0 in free-form JSON", {"free": {"a": 1}}, {"free": {"a": 1.0}}, {("$.free.*", TYPE)}),
    ("more than 53 bits", {"raw": 2**60}, {"raw": 2**60 + 1}, {("$.raw", VALUE)}),
    ("beyond floats", {"near": 10**400}, {"near": 1.0}, {("$.near", VALUE)}),
    ("lists for objects, in the same way", {"free": [1]}, {"free": [2]}, {("$.free[*]", VALUE)}),
    ("the whole answer", [], {}, {("$", TYPE)}),
    ("a name that needs quotes", {}, {"it's \ud800": 1}, {('$["it\'s \\ud800"]', EXTRA)}),
]


@pytest.mark.parametrize(
    ("reference", "candidate", "expected"),
    [d[1:] for d in DIFFERENT],
    ids=[d[0] for d in DIFFERENT],
)
def test_different_by_the_rules(reference: Any, candidate: Any, expected: Found) -> None:
    assert found(reference, candidate) == expected


def test_a_path_and_kind_is_reported_once_with_the_first_place_and_how_many_there_are() -> None:
    reference = {"rows": [{"id": n} for n in range(9)], "counts": {"a.b": 1, "c": 2}}
    candidate = {"rows": [{"id": str(n)} for n in range(9)], "counts": {"a.b": "1", "c": "2"}}
    assert compare(RULE, reference, candidate) == (
        Difference("$.rows[*].id", TYPE, "$.rows[0].id", 0, "0", count=9),
        Difference("$.counts.*", TYPE, '$.counts["a.b"]', 1, "1", count=2),
    )


def nested(value: Any, levels: int) -> Any:
    for _ in range(levels):
        value = [value]
    return value


def test_json_nested_deep_is_compared_to_the_end_without_deep_recursion() -> None:
    (difference,) = compare(FREE_FORM, nested(1, 500), nested(2, 500))
    assert (difference.path, difference.kind) == ("$" + "[*]" * MAX_DEPTH, VALUE)
    assert compare(FREE_FORM, nested(1, 500), nested(1, 500)) == ()


def test_errors_are_compared_by_class_and_then_by_message() -> None:
    value, other = ComparedOutcome(value={"id": 1}), ComparedOutcome(value={"id": 2})
    no_1, no_2 = (
        ComparedOutcome(error=("NotFound", "no 1")),
        ComparedOutcome(error=("NotFound", "no 2")),
    )
    gone = ComparedOutcome(error=("Gone", "no 1"))

    def kinds(reference: ComparedOutcome, candidate: ComparedOutcome) -> list[tuple[str, Kind]]:
        return [(d.path, d.kind) for d in compare_outcomes(RULE, reference, candidate)]

    assert kinds(value, ComparedOutcome(value={"id": 1})) == []
    assert kinds(value, other) == [("$.id", VALUE)]
    assert kinds(value, no_1) == kinds(no_1, value) == [("$", STATUS)]
    assert kinds(ComparedOutcome(value=None), no_1) == [("$", STATUS)]
    assert kinds(no_1, gone) == [("$", STATUS)]
    assert kinds(no_1, no_2) == [("$", VALUE)]
    assert kinds(no_1, ComparedOutcome(error=("NotFound", "no 1"))) == []


class Counted(bytes):
    """A key whose comparisons are calls, so that they are counted."""

    def __eq__(self, other: object) -> bool:
        return bytes.__eq__(self, other)

    def __hash__(self) -> int:
        return bytes.__hash__(self)


def calls(rule: Any, reference: Any, candidate: Any) -> int:
    """How many functions a comparison calls."""
    count = 0

    def profile(_: Any, event: str, __: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        compare(rule, reference, candidate)
    finally:
        sys.setprofile(None)
    return count


def with_records(change: Callable[[list[dict[str, Any]]], Any]) -> Callable[[int], Any]:
    def pair(size: int) -> Any:
        reference = mutations.answer("detection_records", random.Random(3), size)
        candidate = copy.deepcopy(reference)
        change(candidate["records"])
        return reference, candidate

    return pair


def rename_all(records: list[dict[str, Any]]) -> None:
    for record in records:
        record["camera_id"] += "x"


def repeat_one(records: list[dict[str, Any]]) -> None:
    records[:] = [records[-1]] * len(records)


@pytest.mark.parametrize(
    "pair",
    [
        with_records(rename_all),
        with_records(repeat_one),
        with_records(lambda records: records.reverse()),
        with_records(lambda records: records.insert(0, records.pop())),
        with_records(lambda records: records.pop(0)),
        with_records(lambda records: records.clear()),
    ],
    ids=["every item differs", "one item only", "reversed", "rotated", "shifted", "emptied"],
)
def test_the_work_grows_as_the_list_does(
    monkeypatch: pytest.MonkeyPatch, pair: Callable[[int], Any]
) -> None:
    monkeypatch.setattr(diff, "canonical", lambda *a: Counted(canonical(*a)))
    rule = RULES["detection_records"]
    assert calls(rule, *pair(2000)) <= 22 * calls(rule, *pair(100))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([10**30, 1.0, 2.0, 1e-300])
    | st.text("aé", max_size=2),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab.", max_size=2), inner),
    max_leaves=12,
)
NAMES = st.sampled_from([*Thing().fields, "unknown"])
THINGS = st.dictionaries(NAMES, JSON, max_size=6) | st.fixed_dictionaries(
    {},
    optional={
        "score": st.sampled_from([1, 1.0, 2, math.nan, None]),
        "near": st.sampled_from([1, 1.0000001, 1.1, "1", None]),
        "tags": st.lists(st.sampled_from("ab"), max_size=3),
        "rows": st.lists(
            st.fixed_dictionaries(
                {"id": st.integers(0, 1)},
                optional={"near": st.sampled_from([1.0, 1.0000001, 2.0]), "request_id": JSON},
            ),
            max_size=3,
        ),
        "at": st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00", "x", 5]),
    },
)


@given(JSON | THINGS)
def test_an_answer_does_not_differ_from_itself(value: Any) -> None:
    before = copy.deepcopy(value)
    assert compare(RULE, value, copy.deepcopy(value)) == ()
    assert compare(FREE_FORM, value, copy.deepcopy(value)) == ()
    assert json.dumps(value) == json.dumps(before)


@given(JSON, JSON)
@example([1], [1.0])
@example([True], [1])
@example({"a": None}, {})
def test_free_form_json_is_equal_exactly_when_a_client_reads_the_same(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (compare(FREE_FORM, one, other) == ()) is same


@given(THINGS, THINGS)
def test_what_differs_from_one_side_differs_from_the_other(one: Any, other: Any) -> None:
    assert (compare(RULE, one, other) == ()) is (compare(RULE, other, one) == ())


TIMES = {"date", "datetime", "naive datetime", "datetime with offset"}


@given(st.text())
@example("2026-01-01")
@example("2026-01-01T00:00:00.5Z")
def test_redaction_tells_no_more_of_a_text_than_its_length_or_that_it_is_a_time(text: str) -> None:
    assert redacted(text) in {f"string({len(text)})", *TIMES}


@given(JSON)
def test_redaction_tells_no_more_of_a_value_than_its_type_and_size(value: Any) -> None:
    assert re.fullmatch(
        r"null|boolean|integer|number|(string|array|object)\([0-9]+\)", redacted(value)
    )


def test_redaction_in_words() -> None:
    values = ["hunter2", 5, 0.5, True, None, [1], {"a": 1}, UNSET, "2026-01-01T00:00:00Z"]
    values += ["2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00+08:00", "2026-13-01"]
    values += [ComparedOutcome(error=("NotFound", "hunter2")), ComparedOutcome(value="hunter2")]
    assert [redacted(value) for value in values] == [
        *("string(7)", "integer", "number", "boolean", "null", "array(1)", "object(1)", "absent"),
        *("datetime", "date", "naive datetime", "datetime with offset", "string(10)"),
        *("error(NotFound)", "string(7)"),
    ]


def test_shown_values_are_json_that_is_cut() -> None:
    assert shown({"区域": [1, None]}) == '{"区域": [1, null]}'
    assert shown("x" * 900) == '"' + "x" * (MAX_SHOWN - 1)
    assert shown(UNSET) == "absent"
    assert shown(ComparedOutcome(value=1)) == "1"
    assert shown(ComparedOutcome(error=("NotFound", "no 1"))) == '"NotFound: no 1"'


@given(JSON | st.text())
@example("\ud800")
def test_what_is_shown_is_short_and_can_be_stored(value: Any) -> None:
    assert len(shown(value).encode()) <= 4 * MAX_SHOWN


def test_mutations_are_the_same_every_time() -> None:
    again: list[Mutation] = mutations.corpus(seed=2026)
    assert again == CORPUS
