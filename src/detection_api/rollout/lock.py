"""One controller at a time, on whatever host."""

from typing import Protocol

from detection_api.postgres import Pool

LOCK = "SELECT pg_try_advisory_lock(hashtextextended('detection-api rollout run', 0))"
SESSION_SETTINGS = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""PostgreSQL ends the session of a controller whose host is gone, and with it the lock."""


class AnotherControllerError(Exception):
    """Another controller has the lock."""


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
            cursor.execute(LOCK)
            ((is_taken,),) = cursor.fetchall()
        if not is_taken:
            raise AnotherControllerError
