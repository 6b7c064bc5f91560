"""One controller at a time, on whatever host."""

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
"""PostgreSQL shows the key of an advisory lock in halves."""
SESSION_SETTINGS = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""PostgreSQL ends the session of a controller whose host is gone, and with it the lock."""


class AnotherControllerError(Exception):
    """Another controller has the lock."""


def is_held(connect: Callable[[], AbstractContextManager[Any]]) -> bool:
    """Whether a controller is at work, on whatever host; takes nothing, and so disturbs none."""
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(IS_HELD, (NAME,))
        ((held,),) = cursor.fetchall()
    return bool(held)


class Lock(Protocol):
    """What only one controller can have."""

    def take(self) -> None:
        """Have it until this process ends, if that is not so already.

        Raises AnotherControllerError.
        """


class PostgresLock:
    """An advisory lock of a session that does nothing else: `pool` is of one connection.

    It is gone with the process that has it, however that ends. To be asked for before each turn: a
    session that was lost is opened anew, unless another controller has the lock by then.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def take(self) -> None:
        """See Lock; raises what PostgreSQL's connections raise as well."""
        with self._pool.connection() as connection, connection.cursor() as cursor:
            cursor.execute(LOCK, (NAME,))
            ((is_taken,),) = cursor.fetchall()
        if not is_taken:
            raise AnotherControllerError
