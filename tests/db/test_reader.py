"""Statements are prepared once a connection, and rows come as the services answer them."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from msgspec.structs import asdict
from psycopg2 import errors, extensions
from sqlalchemy import (
    BigInteger,
    DateTime,
    Text,
    bindparam,
    cast,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

from detection_api.db.pool import READ_ONLY, Pool, bound_waits
from detection_api.db.reader import Query, Reader, decode_json_exactly

ECHO = Query(
    "echo",
    select(
        bindparam("b", type_=Text).label("b"),
        bindparam("a", type_=BigInteger).label("a"),
        bindparam("b", type_=Text).label("again"),
    ),
)
PREPARED = Query(
    "prepared",
    select(
        literal_column("name").label("name"),
        literal_column("generic_plans + custom_plans").label("runs"),
    )
    .select_from(text("pg_prepared_statements"))
    .where(text("name <> 'prepared'")),
)


@pytest.fixture
def reader(database: str) -> Iterator[Reader]:
    bound_waits()
    decode_json_exactly()
    reader = Reader()
    reader.pool = Pool(database, size=1, deadline=1, name="reader", settings=READ_ONLY)
    yield reader
    reader.pool.dispose()
    extensions.set_wait_callback(None)


def test_rows_have_the_columns_of_the_statement_in_its_order(reader: Reader) -> None:
    (row,) = reader.rows(ECHO, a=7, b="text")
    assert list(asdict(row).items()) == [("b", "text"), ("a", 7), ("again", "text")]


def test_a_column_is_an_attribute_and_an_item(reader: Reader) -> None:
    (row,) = reader.rows(ECHO, a=7, b="text")
    assert row.a == row["a"] == 7


@pytest.mark.parametrize("value", ["it's", "100%", "%s", "$1", "\\", "区域😀", '"', "", None])
def test_values_come_back_as_they_went(reader: Reader, value: str | None) -> None:
    (row,) = reader.rows(ECHO, a=None, b=value)
    assert asdict(row) == {"b": value, "a": None, "again": value}


def test_a_statement_is_prepared_once_a_connection(reader: Reader) -> None:
    for n in range(3):
        reader.rows(ECHO, a=n, b="")
    assert list(map(asdict, reader.rows(PREPARED))) == [{"name": "echo", "runs": 3}]


def test_a_new_connection_is_prepared_anew(reader: Reader) -> None:
    overflow = Query("overflow", select(cast(bindparam("n", type_=BigInteger), BigInteger) * 2))
    reader.rows(ECHO, a=1, b="")
    with pytest.raises(errors.NumericValueOutOfRange):
        reader.rows(overflow, n=2**62)
    assert reader.rows(ECHO, a=1, b="")
    assert list(map(asdict, reader.rows(PREPARED))) == [{"name": "echo", "runs": 1}]


def test_a_statement_that_failed_to_be_prepared_is_tried_again(reader: Reader) -> None:
    broken = Query("broken", select(text("missing")).select_from(text("cameras")))
    for _ in range(2):
        with pytest.raises(errors.UndefinedColumn):
            reader.rows(broken)


def test_constants_of_the_statement_need_no_value(reader: Reader) -> None:
    constant = Query("constant", select((literal(2) * bindparam("n", type_=BigInteger)).label("m")))
    assert [row.m for row in reader.rows(constant, n=21)] == [42]


def test_a_parameter_that_is_forgotten_is_an_error_and_never_null(reader: Reader) -> None:
    with pytest.raises(KeyError, match="a"):
        reader.rows(ECHO, b="text")


WRITTEN = '{"a": 1.0,  "b": 123456789012345678901, "c": [null, "é"]}'


def test_json_stays_as_it_was_written(reader: Reader) -> None:
    query = Query("written", select(cast(bindparam("j", type_=Text), JSON).label("j")))
    (row,) = reader.rows(query, j=WRITTEN)
    assert bytes(row.j).decode() == WRITTEN
    (row,) = reader.rows(query, j=None)
    assert row.j is None


def test_jsonb_is_decoded_as_the_application_encodes_it(reader: Reader) -> None:
    query = Query("decoded", select(cast(bindparam("j", type_=Text), JSONB).label("j")))
    (row,) = reader.rows(query, j=WRITTEN)
    assert repr(row.j) == repr({"a": 1.0, "b": 123456789012345678901, "c": [None, "é"]})


def test_moments_are_aware_and_in_utc(reader: Reader) -> None:
    moment = datetime(2025, 10, 31, 9, 15, 0, 123456, tzinfo=UTC)
    query = Query("moment", select(bindparam("at", type_=DateTime(timezone=True)).label("at")))
    (row,) = reader.rows(query, at=moment)
    assert (row["at"], row["at"].tzinfo) == (moment, UTC)
