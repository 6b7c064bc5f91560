"""PostgreSQL connections whose every wait ends by a deadline.

By itself psycopg2 waits for ever on a server that has stopped answering, and a server-side
`statement_timeout` does not help where the server is frozen or the network is gone. Its wait
callback hands each wait to us instead: connecting, sending and receiving all end at the
deadline of the read in progress, and the connection that missed it is closed.
"""

import math
import os
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import cast

import psycopg2
from psycopg2 import errors, extensions
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from detection_api.errors import DeadlineExceededError

READ_ONLY: Mapping[str, str] = {"default_transaction_read_only": "on"}
"""Session settings for a pool that never writes."""
_EVENTS = {extensions.POLL_READ: select.POLLIN, extensions.POLL_WRITE: select.POLLOUT}


class _Deadline(threading.local):
    """The monotonic time at which this thread's read must be over; infinity outside a read."""

    at: float = math.inf


_deadline = _Deadline()


def _wait(connection: extensions.connection) -> None:
    """Poll the connection's socket until libpq has what it waits for, or time is up."""
    while (state := connection.poll()) != extensions.POLL_OK:
        left = _deadline.at - time.monotonic()
        poller = select.poll()  # a new one, for libpq's next host is another socket
        poller.register(connection.fileno(), _EVENTS[state])
        if left <= 0 or not poller.poll(None if left == math.inf else math.ceil(left * 1000)):
            raise DeadlineExceededError("PostgreSQL did not answer in time")


def bound_waits() -> None:
    """Put every psycopg2 wait of this process under deadlines; COPY is then unavailable in it."""
    extensions.set_wait_callback(_wait)


class Pool:
    """Autocommit connections, opened on demand by the process that uses them.

    `url` is libpq's; `size` connections at the most; `deadline`, in seconds, is for one whole
    read: waiting for a connection, connecting and every statement; `name` shows in
    `pg_stat_activity`; `settings` are PostgreSQL's, for each session. A forked process may go on
    using the pool: it gets connections of its own.
    """

    def __init__(
        self, url: str, *, size: int, deadline: float, name: str, settings: Mapping[str, str]
    ) -> None:
        self.deadline = deadline
        self._url = url
        self._name = name
        self._settings = {
            **settings,
            "TimeZone": "UTC",
            "statement_timeout": str(math.ceil(deadline * 900)),
        }
        self._pid = os.getpid()
        self._connections = QueuePool(
            cast("Callable[[], DBAPIConnection]", self._connect),
            pool_size=size,
            max_overflow=0,
            timeout=deadline / 2,
            reset_on_return=None,
        )
        event.listen(self._connections, "checkout", _refuse_dead)

    @contextmanager
    def connection(self) -> Iterator[PoolProxiedConnection]:
        """A connection for one read, which must be over in `deadline` seconds.

        Raises DeadlineExceededError when time is up, and psycopg2's errors as they are. After
        any error the connection is discarded, so the next read starts on a fresh one.
        """
        _deadline.at = time.monotonic() + self.deadline
        try:
            proxied = self._own_connections().connect()
            try:
                yield proxied
            except BaseException:
                proxied.invalidate()
                raise
            proxied.close()
        except PoolTimeoutError as error:
            raise DeadlineExceededError("no PostgreSQL connection was free in time") from error
        except errors.QueryCanceled as error:
            raise DeadlineExceededError("PostgreSQL cancelled the statement in time") from error
        finally:
            _deadline.at = math.inf

    def dispose(self) -> None:
        """Close every idle connection."""
        self._own_connections().dispose()

    def usage(self) -> tuple[int, int]:
        """How many connections are in use, and how many idle.

        One that was discarded after an error is idle until it is opened anew.
        """
        connections = self._own_connections()
        return connections.checkedout(), connections.checkedin()

    def _own_connections(self) -> QueuePool:
        """The connections of this process; those of the one it was forked from stay as they are."""
        if self._pid != os.getpid():
            self._connections = self._connections.recreate()
            self._pid = os.getpid()
        return self._connections

    def _connect(self) -> extensions.connection:
        options = extensions.parse_dsn(self._url).get("options", "")
        settings = " ".join(f"-c {name}={value}" for name, value in self._settings.items())
        connection = psycopg2.connect(
            self._url,
            application_name=self._name,
            client_encoding="UTF8",
            options=f"{options} {settings}",
        )
        connection.autocommit = True
        return connection


def _refuse_dead(connection: extensions.connection, _record: object, _proxy: object) -> None:
    """Have the pool replace a connection that its server has closed.

    An idle connection's socket has nothing to read unless the server said goodbye.
    """
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)
    if poller.poll(0):
        raise DisconnectionError("the server closed this idle connection")
