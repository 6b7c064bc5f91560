"""PostgreSQL connections whose every wait ends by a deadline.

Without this module psycopg2 waits forever for a server that has stopped answering. A server-side
`statement_timeout` does not help if the server is frozen or the network is gone. The wait callback
of psycopg2 makes every wait end: connecting, sending and receiving all end at the
deadline of the read in progress, and the connection that missed it is closed.
"""

import math
import os
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TypeVar

import msgspec
import psycopg2
from psycopg2 import errors, extensions
from psycopg2.extras import register_default_json

from detection_api.errors import DeadlineExceededError

UNAVAILABLE = (psycopg2.Error, DeadlineExceededError)
"""The errors of reads from PostgreSQL, and from the canary's store, during an outage."""
READ_ONLY: Mapping[str, str] = {
    "default_transaction_read_only": "on",
    "plan_cache_mode": "force_generic_plan",
}
"""Session settings for a pool that never writes.

Statements are planned once per connection. By default PostgreSQL plans statements over partitions
for every execution, which takes as long as running them.
"""
_SET = "SELECT set_config(name, value, false) FROM unnest(%s, %s) AS setting (name, value)"
TRUSTED_FOR = 0.05
"""A connection used in the last 0.05 s is not checked; a server restart takes longer.

A check is a system call, after which Python may switch to another thread.
"""
_EVENTS = {extensions.POLL_READ: select.POLLIN, extensions.POLL_WRITE: select.POLLOUT}


_T = TypeVar("_T")


class _Deadline(threading.local):
    """The monotonic time at which this thread's read must be over; infinity outside a read."""

    at: float = math.inf


_deadline = _Deadline()


def _wait(connection: extensions.connection) -> None:
    """Poll the connection's socket until libpq is done or the deadline has passed."""
    while (state := connection.poll()) != extensions.POLL_OK:
        left = _deadline.at - time.monotonic()
        poller = select.poll()  # a new one each time: libpq's next host has another socket
        poller.register(connection.fileno(), _EVENTS[state])
        if left <= 0 or not poller.poll(None if left == math.inf else math.ceil(left * 1000)):
            raise DeadlineExceededError("PostgreSQL did not answer in time")


def bound_waits() -> None:
    """Put every psycopg2 wait of this process under deadlines; this disables COPY."""
    extensions.set_wait_callback(_wait)


class Connection(extensions.connection):
    """A connection, the names of the statements that are prepared on it, and its last use."""

    def __init__(self, dsn: str, **options: int) -> None:
        super().__init__(dsn, **options)
        self.prepared: set[str] = set()
        self.used_at = 0.0


class Pool:
    """Autocommit connections, opened on demand by the process that uses them.

    `url` is libpq's; it opens at most `size` connections. `deadline`, in seconds, includes waiting
    for a connection, connecting and every statement of one read. `name` shows in
    `pg_stat_activity`; `settings` apply to each session. A forked process may use the pool, too,
    and gets its own connections.
    """

    def __init__(
        self, url: str, *, size: int, deadline: float, name: str, settings: Mapping[str, str]
    ) -> None:
        self.deadline = deadline
        self._url = url
        self._size = size
        self._name = name
        self._settings = {
            **settings,
            "TimeZone": "UTC",
            "statement_timeout": str(math.ceil(deadline * 900)),
        }
        self._begin()

    def _begin(self) -> None:
        """Start empty in this process; the parent's connections stay as they are."""
        self._idle: list[Connection] = []
        self._slots: SimpleQueue[None] = SimpleQueue()
        for _ in range(self._size):
            self._slots.put(None)
        self._pid = os.getpid()  # last: other threads must not use the parent's connections

    def read(self, work: Callable[[Connection], _T], *, within: float | None = None) -> _T:
        """Return the result of `work` on a connection; see `connection`."""
        with self.connection(within=within) as connection:
            return work(connection)

    @contextmanager
    def connection(self, *, within: float | None = None) -> Iterator[Connection]:
        """Yield a connection for one read that ends in `within` (default: `deadline`) seconds.

        Raises DeadlineExceededError when time is up, and psycopg2's errors as they are. After
        any error the connection is discarded, so the next read starts on a fresh one.
        """
        seconds = self.deadline if within is None else within
        _deadline.at = time.monotonic() + seconds
        slots, idle = self._own()
        try:
            slots.get(timeout=seconds / 2)
        except Empty as error:
            raise DeadlineExceededError("no PostgreSQL connection was free in time") from error
        connection = None
        try:
            connection = self._open(idle)
            yield connection
            connection.used_at = time.monotonic()
            idle.append(connection)
            connection = None
        except errors.QueryCanceled as error:
            raise DeadlineExceededError("PostgreSQL cancelled the statement in time") from error
        finally:
            if connection is not None:
                connection.close()
            slots.put(None)
            _deadline.at = math.inf

    def dispose(self) -> None:
        """Close every idle connection."""
        _, idle = self._own()
        while idle:
            idle.pop().close()

    def usage(self) -> tuple[int, int]:
        """Return the number of connections in use and the number of idle ones."""
        slots, idle = self._own()
        return self._size - slots.qsize(), len(idle)

    def _own(self) -> tuple[SimpleQueue[None], list[Connection]]:
        """Return this process's free slots, one per connection, and its idle connections."""
        if self._pid != os.getpid():
            self._begin()
        return self._slots, self._idle

    def _open(self, idle: list[Connection]) -> Connection:
        """Return the connection that was used last if its server is still there, else a new one."""
        try:
            connection = idle.pop()
        except IndexError:  # without a check first, because another thread may take the last one
            return self._connect()
        if time.monotonic() - connection.used_at < TRUSTED_FOR or _is_alive(connection):
            return connection
        connection.close()
        return self._connect()

    def _connect(self) -> Connection:
        connection = psycopg2.connect(
            self._url,
            connection_factory=Connection,
            application_name=self._name,
            client_encoding="UTF8",
        )
        connection.autocommit = True
        # JSON goes into answers as it is stored, without decoding.
        register_default_json(connection, loads=msgspec.Raw)
        # Not as libpq options: with `target_session_attrs=read-write` in the URL, libpq would
        # reject every server as read-only.
        connection.cursor().execute(_SET, [[*self._settings], [*self._settings.values()]])
        return connection


def _is_alive(connection: Connection) -> bool:
    """Return False if the server has closed the idle connection: then its socket is readable."""
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)
    return not poller.poll(0)
