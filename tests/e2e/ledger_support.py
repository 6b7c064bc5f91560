"""What clients were answered, and what the ledger has of it: worker by worker, arm by arm."""

import http.client
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import psutil
import structlog

from tests.e2e.fleet import Fleet
from tests.e2e.instance import PATHS, Load, Reply, wait_for
from tests.factory import World

log = structlog.get_logger(__name__)

APP = "tests.e2e.named_wsgi:app"
EVERY_WAY = (
    *PATHS,
    "/api/v1/records/violations/999999",
    "/api/v1/cameras/unknown/stats",
    *(f"{path}{'&' if '?' in path else '?'}force_domain=true" for path in PATHS[2:4]),
    *(f"{path}{'&' if '?' in path else '?'}force_domain=false" for path in PATHS[4:]),
)
"""Requests that are decided by percent, by force, and answered with 200 and 404."""
SETTLED_WITHIN = 20
"""Seconds in which a ledger that is going to be right is right."""

Line = tuple[int, str, str, str]
"""Worker's process id, endpoint, arm, and what is counted."""
_CAUSES = {"error": "errors", "timeout": "timeouts", "contract": "violations"}
_COLUMNS = (
    "requests",
    "forced",
    "fallbacks",
    "outages",
    "client_errors",
    "server_errors",
    *_CAUSES.values(),
)
_SUMS = ", ".join(f"sum({column})::int" for column in _COLUMNS)
_LEDGER = f"""
SELECT split_part(worker, ':', 2)::int, endpoint, arm, {_SUMS},
    sum((SELECT sum(value::int) FROM jsonb_each_text(latency)))::int
FROM canary_ledger WHERE split_part(worker, ':', 2)::int = ANY (%s) AND bucket > %s
GROUP BY 1, 2, 3
"""


def measured(what: str, value: float) -> None:
    """Put a figure into the test's output."""
    log.info("measured", what=what, value=round(value, 3))


@dataclass(frozen=True, slots=True)
class Answer(Reply):
    """A reply, which worker gave it, and the arms that ran for it; times in epoch seconds."""

    worker: int = 0
    endpoint: str = ""
    arms: tuple[str, ...] = ()
    answered_at: float = 0.0

    @property
    def seconds(self) -> float:
        """How long the client waited."""
        return self.answered_at - self.asked_at


def ask(port: int, path: str) -> Answer:
    """One request on a connection of its own; raises OSError when it gets no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    asked_at = time.time()
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    headers = response.headers
    return Answer(
        path,
        response.status,
        headers.get("X-Canary", ""),
        body,
        port=port,
        asked_at=asked_at,
        worker=int(headers.get("X-Worker", 0)),
        endpoint=headers.get("X-Endpoint", ""),
        arms=tuple(re.findall(r"(\w+);dur", headers.get("Server-Timing", ""))),
        answered_at=time.time(),
    )


def lines_of(answer: Answer) -> Iterator[Line]:
    """What the ledger has to have counted for an answer.

    Why legacy fails after the domain did, no client is told: its failures are counted without.
    """

    def line(arm: str, what: str) -> Line:
        return answer.worker, answer.endpoint, arm, what

    decided, *_ = answer.arms
    _, reason, *cause = re.split(r"; \w+=", answer.who)
    is_forced = "force_domain" in answer.path
    yield line(decided, "requests")
    if is_forced:
        yield line(decided, "forced")
    if answer.status >= 400:
        yield line(decided, "client_errors" if answer.status < 500 else "server_errors")
    if reason == "fallback":
        yield line("legacy", "fallbacks")
    if reason == "outage":
        yield line(decided, "outages")
        yield line("legacy", "failures")
    if cause and decided == "domain":
        yield line("domain", _CAUSES[cause[0]])
    for arm in () if is_forced else answer.arms:
        yield line(arm, "runs")


def told(answers: Iterable[Answer]) -> Counter[Line]:
    """What clients have counted."""
    return Counter(line for answer in answers for line in lines_of(answer))


class Books:
    """Everything that the clients of a fleet were answered, beside what its workers wrote down."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.answers: list[Answer] = []
        self._ports = cycle([instance.port for instance in fleet.instances])
        ((self._begun_at,),) = fleet.sql("SELECT now() - interval '10 seconds'")

    def get(self, path: str, **_: str) -> Answer:
        """One request, to each instance in turn."""
        answer = ask(next(self._ports), path)
        self.answers.append(answer)
        return answer

    def load(self, **how: Any) -> Load:
        """Clients whose every answer is in the books."""
        return Load(self, **how)

    def ledger(self) -> Counter[Line]:
        """What the workers that clients know have written down."""
        workers = list({answer.worker for answer in self.answers})
        counts: Counter[Line] = Counter()
        for worker, endpoint, arm, *values, runs in self.fleet.sql(
            _LEDGER, workers, self._begun_at
        ):
            named = dict(zip(_COLUMNS, values, strict=True), runs=runs or 0)
            if arm == "legacy":
                named["failures"] = sum(named.pop(column) for column in _CAUSES.values())
            counts.update({(worker, endpoint, arm, what): n for what, n in named.items()})
        return counts

    def forget(self, worker: int) -> None:
        """Leave a worker, of which the ledger does not have everything, out from now on."""
        self.answers = [answer for answer in self.answers if answer.worker != worker]

    def assert_agree(self, but: int = 0) -> None:
        """Every answer is in the ledger, once: at once or soon; but those of one worker."""
        answers = [answer for answer in self.answers if answer.worker != but]
        with suppress(TimeoutError):
            wait_for(lambda: self._differences(answers, but) == {}, "they agree", SETTLED_WITHIN)
        self.assert_agree_now(but)

    def assert_agree_now(self, but: int = 0) -> None:
        """Every answer is in the ledger, once; but those of one worker."""
        answers = [answer for answer in self.answers if answer.worker != but]
        assert self._differences(answers, but) == {}

    def _differences(self, answers: Iterable[Answer], but: int) -> dict[Line, int]:
        """How much more (or less, below 0) the ledger has than clients were told."""
        counts = self.ledger()
        counts.subtract(told(answers))
        return {line: n for line, n in counts.items() if n and line[0] != but}


@contextmanager
def frozen(world: World) -> Iterator[None]:
    """PostgreSQL that answers nothing and refuses nothing."""
    postmaster = psutil.Process(world.postgres.pid)
    servers = [postmaster, *postmaster.children()]
    for server in servers:
        server.suspend()
    try:
        yield
    finally:
        for server in servers:
            server.resume()
