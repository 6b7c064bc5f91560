"""The connections of the peers, set up for the best speed.

The pool has a fixed size and is full before the first request. asyncpg prepares each statement once
per connection, and PostgreSQL plans it once, as for the services. There are no timers, and no round
trip to reset a connection between requests, because no request changes a session.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
from fastapi import FastAPI

from detection_api.db import READ_ONLY

POOL_SIZE = int(os.environ.get("PEER_POOL_SIZE", "8"))
"""Connections per worker: two workers have one for each of 16 clients."""

Row: TypeAlias = Any
"""An `asyncpg.Record`."""


class Database:
    """The pool of a worker; `decode` converts the text of JSON columns."""

    def __init__(self, decode: Callable[[str], Any]) -> None:
        self._decode = decode

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """Connect while the application runs."""
        async with asyncpg.create_pool(
            os.environ["DATABASE_URL"],
            min_size=POOL_SIZE,
            max_size=POOL_SIZE,
            max_inactive_connection_lifetime=0,
            max_cached_statement_lifetime=0,
            server_settings=READ_ONLY,
            init=self._set_up,
            reset=_leave_as_it_is,
        ) as self._pool:
            yield

    async def rows(self, statement: str, *parameters: Any) -> list[Row]:
        """Return every row of `statement`."""
        async with self._pool.acquire() as connection:
            rows: list[Row] = await connection.fetch(statement, *parameters)
            return rows

    async def row(self, statement: str, *parameters: Any) -> Row | None:
        """Return the first row of `statement`."""
        async with self._pool.acquire() as connection:
            return await connection.fetchrow(statement, *parameters)

    async def _set_up(self, connection: asyncpg.Connection) -> None:
        for kind in ("json", "jsonb"):
            await connection.set_type_codec(
                kind, schema="pg_catalog", encoder=str, decoder=self._decode
            )


async def _leave_as_it_is(_connection: asyncpg.Connection) -> None:
    """Do nothing, instead of asyncpg's reset, which takes a round trip for every request."""
