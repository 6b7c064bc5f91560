"""Instances that share one PostgreSQL, and their rollout as an operator sees it."""

from collections.abc import Iterator, Set
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Any, Self

import psycopg2

from detection_api.canary.state.ledger import Tally
from detection_api.canary.state.postgres.store import PostgresStore
from detection_api.canary.state.types import EventKind, RolloutEvent, RolloutState, Worker
from tests.e2e.instance import PATH_OF, Instance, Reply, wait_for

ENDPOINTS = tuple(PATH_OF)

_LEADING_SESSION = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
_ADD = "INSERT INTO rollout_state (endpoint) SELECT unnest(%s) ON CONFLICT DO NOTHING"
_ROLL_BACK = "UPDATE rollout_state SET status = 'rolled_back' WHERE status = 'active'"
_RESUME = "UPDATE rollout_state SET status = 'active', percent = %s WHERE endpoint = ANY (%s)"


class Fleet:
    """Instances that run `app` in folders of their own below `folder`, on one database.

    Each has four workers, if `environ` does not say otherwise.

    Entered, they all run; the file at `leader` names the process that leads.
    """

    def __init__(self, folder: Path, environ: dict[str, str], app: str, *names: str) -> None:
        self._url = environ["DATABASE_URL"]
        self._leader = folder / "leader"
        for name in names:
            (folder / name).mkdir()
        settings = {"WEB_CONCURRENCY": "4", **environ, "LEADER_FILE": str(self._leader)}
        self.instances = tuple(Instance(folder / name, settings, app) for name in names)
        self.store = PostgresStore(self._connection)
        self._turns = cycle(self.instances)
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as started:
            for instance in self.instances:
                instance.start()
                started.callback(instance.stop)
            for instance in self.instances:
                instance.wait_until_up()
            self._running = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        with closing(psycopg2.connect(self._url)) as connection:
            connection.autocommit = True
            yield connection

    def get(self, path: str, **headers: str) -> Reply:
        """One request, to each instance in turn."""
        return next(self._turns).get(path, **headers)

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What an operator types into psql; its rows."""
        with self._connection() as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    @property
    def workers(self) -> set[int]:
        """The process ids of all instances' workers."""
        return set().union(*(instance.workers for instance in self.instances))

    def break_domain(self, fault: str, **where: Any) -> None:
        """See Instance."""
        for instance in self.instances:
            instance.break_domain(fault, **where)

    def mend(self) -> None:
        """See Instance."""
        for instance in self.instances:
            instance.mend()

    def reset(self, percent: float) -> None:
        """Have every endpoint at `percent`, with nothing held against it in any worker."""
        self.mend()
        self.sql(_ADD, list(ENDPOINTS))
        self.sql(_ROLL_BACK)
        self.sql(_RESUME, percent, list(ENDPOINTS))
        self.wait_until_applied()

    def states(self) -> dict[str, RolloutState]:
        """What is stored of the endpoints."""
        return {name: state for name, state in self.store.read().states.items() if name != "*"}

    def wait_until_applied(self) -> None:
        """Return when every worker says that it applies what is stored now."""
        stored = {name: state.epoch for name, state in self.states().items()}

        def is_applied() -> bool:
            reported = self._reports()
            return self.workers <= reported.keys() and all(
                reported[pid].heartbeat.epochs.get(name, 0) >= epoch
                for pid in self.workers
                for name, epoch in stored.items()
            )

        wait_for(is_applied, "every worker applies what is stored")

    def wait_for_a_turn(self, but: Set[int] = frozenset()) -> None:
        """Return when every worker but these has told its counts, and the leader has judged them.

        A worker leads after it has told its counts, and so before it tells the next ones.
        """
        workers = self.workers - but
        for _ in range(2):
            self._wait_for_heartbeats(workers)

    def _wait_for_heartbeats(self, workers: Set[int]) -> None:
        before = self._reports()

        def are_heard_again() -> bool:
            now = self._reports()
            return all(now[pid].heartbeat.uptime > before[pid].heartbeat.uptime for pid in workers)

        wait_for(are_heard_again, "every worker has taken a turn")

    def _reports(self) -> dict[int, Worker]:
        """What the workers say of themselves, by process id."""
        return {int(w.heartbeat.worker.split(":")[1]): w for w in self.store.workers()}

    def events(self, endpoint: str, kind: EventKind) -> list[RolloutEvent]:
        """The endpoint's events of one kind since its guard is a fresh one, newest first."""
        since = self.states()[endpoint].resumed_at
        found = self.store.events(endpoint)
        return [e for e in found if e.kind is kind and e.at and (not since or e.at > since)]

    def wait_for_event(self, endpoint: str, kind: EventKind) -> RolloutEvent:
        """The first such event, as soon as there is one."""
        found = wait_for(lambda: self.events(endpoint, kind), f"{endpoint}: {kind.value}")
        return found[-1]

    def counts(self, endpoint: str, arm: str = "domain") -> Tally:
        """The ledger's counts of the last hour, of all workers."""
        counts = Tally()
        for row in self.store.ledger(timedelta(hours=1)):
            if (row.endpoint, row.arm) == (endpoint, arm):
                counts.add(row.tally)
        return counts

    def leading_session(self) -> int | None:
        """The process id of the PostgreSQL session that has the leader's lock, if one has."""
        held = self.sql(_LEADING_SESSION)
        return held[0][0] if held else None

    def leader(self) -> int:
        """The process id of the worker that leads."""
        self._leader.unlink(missing_ok=True)
        return wait_for(self._told_leader, "a worker says that it leads")

    def _told_leader(self) -> int:
        text = self._leader.read_text() if self._leader.exists() else ""
        return int(text or 0)
