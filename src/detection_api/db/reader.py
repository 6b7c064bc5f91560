"""Runs the services' statements, compiled once and prepared once per connection."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import starmap
from typing import Any, Protocol, TypeVar

import msgspec
from psycopg2.extras import register_default_json, register_default_jsonb
from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.base import PGDialect

from detection_api.db.pool import Connection

_DIALECT = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


_T = TypeVar("_T")


class Reads(Protocol):
    """A source of connections for a reader: a `Pool` or a `Replicated`."""

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """Return the result of `work` on a connection."""


class Row(msgspec.Struct, gc=False):
    """One row; each column is an attribute and an item, as in legacy's dicts."""

    def __getitem__(self, column: str) -> Any:
        return getattr(self, column)


class Query:
    """A SQLAlchemy Core statement compiled at import, with a unique name.

    Its bind parameters, which must carry their types, become the parameters of `Reader.rows`.
    Its columns must have names that Python can take for attributes.
    """

    def __init__(self, name: str, statement: Select[*tuple[Any, ...]]) -> None:
        compiled = statement.compile(dialect=_DIALECT)
        self.name = name
        self.row = msgspec.defstruct(name, statement.selected_columns.keys(), bases=(Row,))
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

    def rows(self, query: Query, **parameters: Any) -> list[Any]:
        """Return every row of `query`, each a `Row` with its columns.

        Raises KeyError for a parameter that is not given, DeadlineExceededError when the pool's
        deadline passes, and psycopg2's errors.
        """
        given = {**query.constants, **parameters}
        values = [given[parameter] for parameter in query.parameters]
        return self.pool.read(partial(_rows, query, values))


def _rows(query: Query, values: Sequence[Any], connection: Connection) -> list[Any]:
    """Run a prepared statement on one connection; prepare it first if that is not done yet."""
    cursor = connection.cursor()
    if query.name not in connection.prepared:
        cursor.execute(query.prepare)
        connection.prepared.add(query.name)
    cursor.execute(query.execute, values)
    return list(starmap(query.row, cursor.fetchall()))


def decode_json_exactly() -> None:
    """Let psycopg2 decode `jsonb` with this application's decoder.

    The connections of a pool keep `json` columns as text.
    """
    register_default_json(loads=msgspec.json.decode, globally=True)
    register_default_jsonb(loads=msgspec.json.decode, globally=True)
