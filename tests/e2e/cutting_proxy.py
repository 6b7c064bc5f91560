"""Between a worker and PostgreSQL: a network that fails when it does the most harm."""

import re
import select
import socket
import threading
from collections.abc import Iterable
from enum import Enum
from itertools import cycle
from pathlib import Path
from typing import Self

from psycopg2.extensions import parse_dsn

FLUSH = re.compile(rb"INSERT INTO canary_worker.*?VALUES \(\s*'([^']+)', (\d+),", re.DOTALL)
"""Which worker's flush it is, and the number of the batch."""
CHUNK = 1 << 16


class Cut(Enum):
    """When the connection of a flush is lost."""

    BEFORE = "before PostgreSQL has it"
    MEANWHILE = "while PostgreSQL does it, or before"
    AFTERWARDS = "after PostgreSQL did it, before the worker knows"


class CuttingProxy:
    """Forwards to the PostgreSQL at `url`, but cuts connections the first time a batch is sent.

    It does so in the ways of `turns`, one after the other. Its own `url` is for workers; `cuts` is
    what it has cut so far, by worker and batch.
    """

    def __init__(self, url: str, turns: Iterable[Cut]) -> None:
        server = parse_dsn(url)
        self._server = str(Path(server["host"]) / ".s.PGSQL.5432")
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = f"postgresql://{server['user']}@127.0.0.1:{port}/{server['dbname']}"
        self.url += "?sslmode=disable&gssencmode=disable"
        self.cuts: dict[tuple[bytes, ...], Cut] = {}
        self._turns = cycle(turns)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            try:
                server.connect(self._server)
                self._relay(client, server)
            except OSError:
                return

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        """Forward until one side ends, or a cut is due."""
        cut: Cut | None = None
        while True:
            for source in select.select([client, server], [], [])[0]:
                data = source.recv(CHUNK)
                if source is client:
                    cut = cut or self._cut(data)
                if not data or cut is Cut.BEFORE or (cut and source is server):
                    return
                (server if source is client else client).sendall(data)
                if cut is Cut.MEANWHILE:
                    return

    def _cut(self, data: bytes) -> Cut | None:
        """How to lose the connection over what a worker sends, if at all."""
        found = FLUSH.search(data)
        if found is None or found.groups() in self.cuts:
            return None
        return self.cuts.setdefault(found.groups(), next(self._turns))
