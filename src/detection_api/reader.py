"""Runs the services' statements: compiled once, prepared once a connection, rows as dicts."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec
from psycopg2.extras import register_default_json, register_default_jsonb
from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.base import PGDialect

from detection_api.postgres import Connection

_DIALECT = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


_T = TypeVar("_T")


class Reads(Protocol):
    """Where a reader reads: a `postgres.Pool`, or a `replica.Replicated`."""

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """What `work` makes of a connection."""


class Query:
    """A SQLAlchemy Core statement compiled at import, under a name of its own.

    Its bind parameters, which must carry their types, become the parameters of `Reader.rows`.
    """

    def __init__(self, name: str, statement: Select[*tuple[Any, ...]]) -> None:
        compiled = statement.compile(dialect=_DIALECT)
        self.name = name
        self.parameters: tuple[str, ...] = tuple(compiled.positiontup or ())
        self.constants: Mapping[str, Any] = {
            parameter: compiled.params[parameter]
            for parameter in self.parameters
            if not compiled.binds[parameter].required
        }
        types = ", ".join(
            compiled.binds[parameter].type.compile(dialect=_DIALECT)
            for parameter in self.parameters
        )
        self.prepare = f"PREPARE {name} {f'({types})' if types else ''} AS {compiled}"
        marks = ", ".join(["%s"] * len(self.parameters))
        self.execute = f"EXECUTE {name} {f'({marks})' if marks else ''}"


class Reader:
    """Reads from PostgreSQL for the services; give it its pool before the first read."""

    pool: Reads

    def rows(self, query: Query, **parameters: Any) -> list[dict[str, Any]]:
        """Every row of `query`, as dicts in the order of its columns.

        Raises KeyError for a parameter that is not given, DeadlineExceededError when the pool's
        deadline passes, and psycopg2's errors.
        """
        given = {**query.constants, **parameters}
        values = [given[parameter] for parameter in query.parameters]
        return self.pool.read(partial(_rows, query, values))


def _rows(query: Query, values: Sequence[Any], connection: Connection) -> list[dict[str, Any]]:
    cursor = connection.cursor()
    if query.name not in connection.prepared:
        cursor.execute(query.prepare)
        connection.prepared.add(query.name)
    cursor.execute(query.execute, values)
    assert cursor.description is not None
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def decode_json_exactly() -> None:
    """Have psycopg2 decode JSON columns as this application encodes them."""
    register_default_json(loads=msgspec.json.decode, globally=True)
    register_default_jsonb(loads=msgspec.json.decode, globally=True)
