"""How a write tells the canary what became of its transaction.

After a failed write legacy may run only where the domain's transaction is known not to have
happened; otherwise the write could happen twice.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INERROR

from detection_api.canary.state.types import RolledBackError


class FailedTransactionError(Exception):
    """A statement failed, and was caught, in a transaction that was to be committed."""


class Connection(Protocol):
    """The part of a connection that a transaction uses: psycopg2's, or a pool's around one."""

    autocommit: bool

    def cursor(self) -> Any:
        """A cursor; a context manager, too."""

    def commit(self) -> None:
        """Commit the transaction."""

    def rollback(self) -> None:
        """Roll it back."""

    def get_transaction_status(self) -> int:
        """One of `psycopg2.extensions.TRANSACTION_STATUS_*`."""


@contextmanager
def transaction(connection: Connection, answers: tuple[type[Exception], ...] = ()) -> Iterator[Any]:
    """The one transaction of a write; yields a cursor, which must not commit by itself.

    An error before the commit was sent raises RolledBackError, for a server never commits what
    it was not asked to; so does a commit that the server refused. `answers` are rolled back and
    raised as they are. Any other error of the commit is raised as it is: what became of the
    transaction is then unknown. Raises ValueError for a connection in autocommit mode, where
    every statement is a transaction.
    """
    if connection.autocommit:
        raise ValueError("a connection in autocommit mode has no transaction to roll back")
    try:
        with connection.cursor() as cursor:
            yield cursor
        _refuse_failed(connection)
    except BaseException as error:
        with suppress(Exception):  # a connection that is gone rolls back by itself
            connection.rollback()
        if isinstance(error, answers) or not isinstance(error, Exception):
            raise
        raise RolledBackError from error
    _commit(connection)


def _refuse_failed(connection: Connection) -> None:
    """Asked to commit a transaction that failed, PostgreSQL rolls it back and reports success."""
    if connection.get_transaction_status() == TRANSACTION_STATUS_INERROR:
        raise FailedTransactionError("a statement failed: there is nothing to commit")


def _commit(connection: Connection) -> None:
    try:
        connection.commit()
    except Exception as error:
        # Refused, by a deferred constraint for instance: the server said so and is ready again.
        # Whoever did not hear it say anything does not know.
        if connection.get_transaction_status() == TRANSACTION_STATUS_IDLE:
            raise RolledBackError from error
        raise
