"""gunicorn's workers for this application; docs/decisions/0028-framework-internals.md says why.

gunicorn's master imports this module. It may import the standard library and gunicorn only.

This module holds every use of gunicorn's undocumented names. setup.cfg bounds gunicorn's version.
"""

import selectors
import socket
import struct
import time
from concurrent.futures import Future
from functools import partial
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

ACCEPT_PAUSE = 1e-4
"""Seconds; a waiting worker needs less to accept the next connection."""
CLIENT_TIMEOUT = struct.pack("ll", 2, 0)
"""Seconds and microseconds that a lone worker waits for a client in the middle of a request."""
TCP_CORK = getattr(socket, "TCP_CORK", None)
"""Linux's socket option that holds back output until it is switched off."""


class FairWorker(ThreadWorker):  # type: ignore[misc]
    """A gthread worker that leaves the next connection to another worker.

    Without the pause, the worker that wakes first accepts all simultaneous connections and keeps
    them for as long as they are kept alive, while the other workers are idle.
    """

    def init_process(self) -> None:
        """Start the worker, with gunicorn's settings as plain attributes.

        gunicorn looks up about 20 settings in each request, each through three functions.
        """
        self.cfg.__dict__.update({name: found.get() for name, found in self.cfg.settings.items()})
        super().init_process()

    def accept(self, listener: Any) -> None:
        """Accept a connection, then pause so that another worker accepts the next one."""
        super().accept(listener)
        time.sleep(ACCEPT_PAUSE)


class LoneWorker(FairWorker):
    """A worker that serves requests in the thread that waits for them (THREADS=1).

    Handing each request to another thread and back costs more than parsing it.
    """

    notified_at = 0.0

    def enqueue_req(self, conn: Any) -> None:
        """Serve the requests of a connection now, or wait until a new connection sends one."""
        answered: Future[Any] = Future()
        try:
            if self.alive and not (conn.initialized or conn.data_ready):
                self._wait_for_request(conn)
                return
            answered.set_result(self._serve(conn))
        except OSError as error:  # `handle` catches all others
            answered.set_exception(error)
        self.finish_request(conn, answered)

    def _wait_for_request(self, conn: Any) -> None:
        for timeout in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            conn.sock.setsockopt(socket.SOL_SOCKET, timeout, CLIENT_TIMEOUT)
        conn.sock.setblocking(False)
        conn.set_timeout()
        self.pending_conns.append(conn)
        readable = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, readable)

    def _serve(self, conn: Any) -> Any:
        """Serve the requests that a connection has sent; return whether it is kept alive."""
        self.notify()  # several slow requests must not look like a worker that hangs
        result = self.handle(conn)
        while result is True and conn.parser.unreader.buf.getvalue():  # pipelined requests
            self.notify()
            result = self.handle(conn)
        return result

    def notify(self) -> None:
        """Tell the master that this worker is alive, at most four times per gunicorn timeout."""
        now = time.monotonic()
        if now - self.notified_at >= self.timeout / 2:  # `timeout` is half of gunicorn's setting
            self.notified_at = now
            super().notify()

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Serve a request, and send head and body of a GET's response as one packet.

        The client wakes up once instead of twice.
        """
        if TCP_CORK is None or req.method != "GET" or not isinstance(conn.client, tuple):
            return super().handle_request(req, conn)
        conn.sock.setsockopt(socket.IPPROTO_TCP, TCP_CORK, True)
        try:
            return super().handle_request(req, conn)
        finally:
            if conn.sock.fileno() >= 0:
                conn.sock.setsockopt(socket.IPPROTO_TCP, TCP_CORK, False)

    def murder_keepalived(self, force: bool = False) -> None:
        """Close expired idle connections, unless requests arrived while the worker was busy."""
        if force or not self.poller.select(0):
            super().murder_keepalived(force)

    def murder_pending(self) -> None:
        """Close expired new connections, unless requests arrived while the worker was busy."""
        if not self.poller.select(0):
            super().murder_pending()
