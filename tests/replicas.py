"""A real streaming replica, made as an operator would make one."""

import os
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2

from detection_api.dev.embedded import EmbeddedPostgres
from tests.e2e.instance import wait_for

SOCKET = ".s.PGSQL.5432"


class Replica:
    """A copy of a running server, in `folder`, that follows it by streaming while it runs."""

    def __init__(self, primary: EmbeddedPostgres, folder: Path) -> None:
        self._folder = folder
        self._bin = primary.bin
        self._owner = Path(f"/proc/{primary.pid}").stat()
        self._primary_url = primary.start()
        self.url = f"postgresql://postgres:@/postgres?host={folder}"
        folder.parent.chmod(0o711)  # its owner has to get there
        folder.mkdir(mode=0o700)
        os.chown(folder, self._owner.st_uid, self._owner.st_gid)
        arguments = ["-d", self._primary_url, "-D", str(folder), "-R", "-c", "fast"]
        self._run("pg_basebackup", *arguments)
        (folder / f"{SOCKET}.lock").unlink()  # the primary has its socket among its data

    def start(self) -> None:
        """Start following."""
        log = str(self._folder / "replica.log")
        self._run("pg_ctl", "start", "-w", "-l", log, "-o", f'-h "" -k {self._folder}')

    def stop(self) -> None:
        """End at once, as in a crash."""
        self._run("pg_ctl", "stop", "-w", "-m", "immediate")

    def promote(self) -> None:
        """Make it a primary of its own."""
        self._run("pg_ctl", "promote", "-w")

    def delay(self, seconds: float) -> None:
        """Have it be behind by that much from now on."""
        with (self._folder / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"recovery_min_apply_delay = '{seconds}s'\n")
        run(self.url, "SELECT pg_reload_conf()")

    def catch_up(self) -> None:
        """Wait until it has replayed all that the primary has written."""
        written = run(self._primary_url, "SELECT pg_current_wal_lsn()")
        replayed = f"SELECT pg_last_wal_replay_lsn() >= '{written}'"
        wait_for(lambda: run(self.url, replayed), "the replica has caught up")

    def _run(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL's as its owner, who is not root."""
        environ = {**os.environ, "PGDATA": str(self._folder)}
        subprocess.run(
            [self._bin / program, *arguments],
            env=environ,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._owner.st_uid if os.getuid() == 0 else None,
        )


def run(url: str, sql: str) -> Any:
    """The first column of the first row, or None."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None
