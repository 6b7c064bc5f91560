"""A network that fails at the worst moment."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2 import extensions


@contextmanager
def cutting_at_commit(url: str, *, after: bool) -> Iterator[str]:
    """A way to the PostgreSQL at `url` that is cut when a client commits; its libpq URL.

    Cut `after` the server has committed and before the client hears of it; otherwise before the
    server gets to know that it is to commit.
    """
    to = extensions.parse_dsn(url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        arguments = (listener, f"{to['host']}/.s.PGSQL.5432", after)
        thread = threading.Thread(target=_serve, args=arguments)
        thread.start()
        port = listener.getsockname()[1]
        options = "sslmode=disable&gssencmode=disable"
        try:
            yield f"postgresql://{to['user']}@127.0.0.1:{port}/{to['dbname']}?{options}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listener: socket.socket, path: str, after: bool) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(path)
            _relay(client, server, after)


def _relay(client: socket.socket, server: socket.socket, after: bool) -> None:
    """Carry bytes both ways until one side ends, or the client commits."""
    other = {client: server, server: client}
    while True:
        for ready in select.select([client, server], [], [])[0]:
            sent = ready.recv(65_536)
            if ready is client and b"COMMIT" in sent:
                if after:
                    server.sendall(sent)
                    assert server.recv(65_536), "the server's word that it has committed"
                return
            if not sent:
                return
            other[ready].sendall(sent)
