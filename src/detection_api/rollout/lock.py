"""The lock that allows one controller at a time, on all hosts."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from detection_api.db import Pool

NAME = "detection-api rollout run"
LOCK = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
IS_HELD = """
SELECT EXISTS (
    SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND locktype = 'advisory' AND granted AND objsubid = 1
        AND (classid::bigint << 32 | objid::bigint) = hashtextextended(%s, 0)
)
"""
"""PostgreSQL shows the key of an advisory lock as two halves."""
SESSION_SETTINGS = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""With these, PostgreSQL ends the session, and its lock, of a host that is gone."""


class AnotherControllerError(Exception):
    """Another controller has the lock."""


def is_held(connect: Callable[[], AbstractContextManager[Any]]) -> bool:
    """Return whether a controller on any host holds the lock. Does not try to take it."""
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(IS_HELD, (NAME,))
        ((held,),) = cursor.fetchall()
    return bool(held)


class Lock(Protocol):
    """A lock that only one controller can hold."""

    def take(self) -> None:
        """Hold the lock until this process ends; does nothing if it is already held.

        Raises AnotherControllerError if another controller holds it.
        """


class PostgresLock:
    """An advisory lock in a session of its own; `pool` has one connection.

    PostgreSQL releases it when the process ends. Call `take` before each turn: if the session was
    lost, it opens a new one and takes the lock again.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def take(self) -> None:
        """See Lock; also raises the errors of PostgreSQL's connections."""
        with self._pool.connection() as connection, connection.cursor() as cursor:
            cursor.execute(LOCK, (NAME,))
            ((is_taken,),) = cursor.fetchall()
        if not is_taken:
            raise AnotherControllerError
