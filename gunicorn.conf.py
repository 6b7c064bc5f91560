"""How gunicorn serves the application; the README's table has the variables it reads.

They are the environment's alone: the env file is for the application, which reads it anew after
a HUP. Nothing of the application is loaded here, so that a HUP, after which all workers are new,
gets both new code and new settings. With `--preload` it is loaded once, before workers are forked:
they then keep the settings of the start.
"""

import os
import shutil
import socket
import struct
import tempfile
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from gunicorn.workers.gthread import _DEFER, ThreadWorker

METRICS = "PROMETHEUS_MULTIPROC_DIR"
OWNER = "DETECTION_API_METRICS_OWNER"

ACCEPT_PAUSE = 1e-4
"""Seconds; a worker that waits for connections needs less to take the next one."""
CLIENT_PATIENCE = struct.pack("ll", 2, 0)
"""Seconds and microseconds that a worker without other threads waits for a client to go on sending
or reading."""
TCP_CORK = getattr(socket, "TCP_CORK", None)
"""Linux's option to hold what is written until it is taken back."""


class FairWorker(ThreadWorker):
    """Leaves the next connection to another worker.

    Otherwise the first to be awake takes all of those that come at once, and keeps them for as long
    as they are kept alive; the others then have nothing to do.
    """

    def init_process(self) -> None:
        """Begin, with settings that are found at once: gunicorn asks for 20 in each request."""
        vars(self.cfg).update({name: known.get() for name, known in self.cfg.settings.items()})
        super().init_process()

    def accept(self, listener: Any) -> None:
        """Accept a connection, and give the others time to."""
        super().accept(listener)
        time.sleep(ACCEPT_PAUSE)


class LoneWorker(FairWorker):
    """Answers one request after the other in the thread that waits for them (THREADS=1).

    Handing each request to another thread and back costs more than parsing it.
    """

    notified_at = 0.0

    def enqueue_req(self, conn: Any) -> None:
        """Answer what a connection asks; a new one is waited for together with the others."""
        answered: Future[Any] = Future()
        try:
            answered.set_result(self._answer(conn))
        except Exception as error:  # noqa: BLE001 - it ends the connection, not the worker
            answered.set_exception(error)
        self.finish_request(conn, answered)

    def _answer(self, conn: Any) -> Any:
        if self.alive and not (conn.initialized or conn.data_ready):
            for patience in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                conn.sock.setsockopt(socket.SOL_SOCKET, patience, CLIENT_PATIENCE)
            return _DEFER
        self.notify()  # a batch of slow answers must not look like a worker that hangs
        result = self.handle(conn)
        while result is True and conn.parser.unreader.buf.getvalue():  # it has asked on meanwhile
            self.notify()
            result = self.handle(conn)
        return result

    def notify(self) -> None:
        """Tell the master that this worker lives, four times within what it may be silent for."""
        now = time.monotonic()
        if now - self.notified_at >= self.timeout / 2:  # which is half of that already
            self.notified_at = now
            super().notify()

    def handle_request(self, req: Any, conn: Any) -> Any:
        """As gunicorn, but that head and body of an answer to a read are one packet.

        The client is woken once then.
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
        """Close who said nothing in time, unless somebody was not listened to meanwhile."""
        if force or not self.poller.select(0):
            super().murder_keepalived(force)

    def murder_pending(self) -> None:
        """As `murder_keepalived`, for new connections."""
        if not self.poller.select(0):
            super().murder_pending()


if os.environ.get(OWNER) != str(os.getpid()):
    # Workers count into files of a folder that they share, and no earlier master used. Its name
    # must be known before prometheus-client is imported; a HUP reads this file again.
    os.environ[METRICS] = tempfile.mkdtemp(prefix="detection-api-metrics-")
    os.environ[OWNER] = str(os.getpid())

bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("THREADS", "4"))
worker_class = FairWorker if threads > 1 else LoneWorker
graceful_timeout = 30
keepalive = 5  # seconds that a connection waits for its client's next request
accesslog = None  # the application logs each request itself, with its arm and reason
control_socket_disable = True  # it is one file in the home folder for all instances


def post_fork(_server: Any, _worker: Any) -> None:
    """Bring the counters' folder back where something that cleans up has taken it away."""
    Path(os.environ[METRICS]).mkdir(mode=0o700, parents=True, exist_ok=True)


def post_worker_init(worker: Any) -> None:
    """Have what requests need before the first one."""
    from detection_api.server.worker import begin  # noqa: PLC0415 - only workers load it

    begin(worker.wsgi)


def child_exit(_server: Any, worker: Any) -> None:
    """Forget the gauges of a worker that has ended; its counts are kept."""
    from prometheus_client import multiprocess  # noqa: PLC0415 - METRICS has to be set before

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_server: Any) -> None:
    """Take the counters' folder away."""
    shutil.rmtree(os.environ[METRICS], ignore_errors=True)
