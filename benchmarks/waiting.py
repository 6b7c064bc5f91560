"""Compare a prepared statement with our wait callback to one with psycopg2's waiting."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
from psycopg2 import extensions

from detection_api.db import bound_waits
from detection_api.dev.embedded import EmbeddedPostgres

TIMES = 2000


def pairs() -> Iterator[tuple[str, Callable[[], int], Callable[[], int]]]:
    """Yield the works that select a number on one connection."""
    with TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder))
        connection = psycopg2.connect(server.start())
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("PREPARE number (int) AS SELECT $1")

        def execute() -> int:
            for number in range(TIMES):
                cursor.execute("EXECUTE number (%s)", (number,))
                cursor.fetchall()
            return TIMES

        def bounded() -> int:
            bound_waits()
            return execute()

        def unbounded() -> int:
            extensions.set_wait_callback(None)
            return execute()

        yield "a prepared statement with a deadline, compared to one without", bounded, unbounded
        connection.close()
        server.stop()
