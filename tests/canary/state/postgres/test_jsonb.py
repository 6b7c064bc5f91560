"""Whatever text and values there are, PostgreSQL takes what becomes of them."""

import json
import math
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detection_api.canary.state.ledger import LedgerBatch, MismatchTally, Tally
from detection_api.canary.state.postgres import jsonb

TEXT = st.text(st.characters(exclude_categories=[]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner) | st.dictionaries(TEXT | st.integers(), inner),
    max_leaves=10,
)


def taken(url: str, value: Any) -> Any:
    """The value as PostgreSQL has it."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb::text", [jsonb.encode(value)])
        row = cursor.fetchone()
    assert row is not None
    return json.loads(row[0])


@pytest.mark.parametrize(
    "value", [{"a": [1, 1.5, None, True, "é区😀 \\u0000 \"'%s"]}, {}, [], "", -(2**63), {"": {}}]
)
def test_ordinary_values_are_taken_as_they_are(database_url: str, value: Any) -> None:
    assert taken(database_url, value) == value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VALUES)
def test_any_value_is_taken(database_url: str, value: Any) -> None:
    taken(database_url, value)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "known_as"),
    [
        ("a\0b", "a?b"),
        ("\ud800", "?"),
        ({"\0": 1}, {"?": 1}),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (2**70, "0x400000000000000000"),
        (10**5000, hex(10**5000)),
        ({1: (2,)}, {"1": [2]}),
        (b"\0", "b'\\x00'"),
    ],
    ids=["nul", "surrogate", "key", "nan", "infinity", "large", "huge", "tuple", "bytes"],
)
def test_what_json_or_postgresql_cannot_hold_is_described(
    database_url: str, value: Any, known_as: Any
) -> None:
    assert taken(database_url, value) == known_as


def test_what_is_nested_too_deeply_is_left_out(database_url: str) -> None:
    assert "..." in json.dumps(taken(database_url, nested(100_000)))


@given(TEXT)
def test_a_key_fits_into_an_index(text: str) -> None:
    key = jsonb.key(text * 1000)
    assert len(key.encode()) <= jsonb.KEY_BYTES
    assert text == "" or key


def test_keys_that_become_the_same_are_added_up() -> None:
    odd = LedgerBatch(1.5, acceptances={7: 1})
    for end in ("\0", "\ud800"):
        odd.tallies["e" + end, "domain"] = Tally(requests=1)
        odd.mismatches["e" + end, "$", "x" * 1000 + end] = MismatchTally(2, 3, [{"n": 1}])
        odd.branches["e", "b" + end] = 5
    clean = jsonb.with_keys(odd)
    assert clean == LedgerBatch(
        1.5,
        tallies={("e?", "domain"): Tally(requests=2)},
        mismatches={("e?", "$", "x" * 800): MismatchTally(4, 6, [{"n": 1}, {"n": 1}])},
        branches={("e", "b?"): 10},
        acceptances={7: 1},
    )
    assert len(odd.tallies) == 2
