"""The peers' connections, set up by somebody who wants them to win.

A pool of fixed size that is full before the first request, statements that asyncpg prepares once a
connection and keeps, planned once as the services' are, no timers for either, and no round trip for
resetting a connection between requests: nothing here changes a session.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
from fastapi import FastAPI

from detection_api.db import READ_ONLY

POOL_SIZE = int(os.environ.get("PEER_POOL_SIZE", "8"))
"""Connections a worker: two workers then have one for each of 16 clients."""

Row: TypeAlias = Any
"""An `asyncpg.Record`."""


class Database:
    """A worker's pool; `decode` makes values of JSON columns' text."""

    def __init__(self, decode: Callable[[str], Any]) -> None:
        self._decode = decode

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """Connected for as long as the application runs."""
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
        """Every row of `statement`."""
        async with self._pool.acquire() as connection:
            rows: list[Row] = await connection.fetch(statement, *parameters)
            return rows

    async def row(self, statement: str, *parameters: Any) -> Row | None:
        """The first row of `statement`."""
        async with self._pool.acquire() as connection:
            return await connection.fetchrow(statement, *parameters)

    async def _set_up(self, connection: asyncpg.Connection) -> None:
        for kind in ("json", "jsonb"):
            await connection.set_type_codec(
                kind, schema="pg_catalog", encoder=str, decoder=self._decode
            )


async def _leave_as_it_is(_connection: asyncpg.Connection) -> None:
    """Instead of asyncpg's reset, which asks the server once more for every request."""
