"""A rollout of one case on simulated time. Read `Simulation.run` first.

The Flask application, the canary, its guards, comparisons and ledger, and the controller are the
real ones. Time, clients and data are simulated, and background work is done between requests.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from unittest.mock import patch

from flask import Flask
from psycopg2 import OperationalError
from werkzeug.exceptions import HTTPException

from detection_api.canary import Arm, CanarySettings, EventKind, MemoryStore, RolloutState
from detection_api.canary.comparison import branches_of
from detection_api.canary.fleet.background import Background
from detection_api.canary.fleet.runtime import Runtime
from detection_api.canary.serving.engine import Engine
from detection_api.canary.state import RolloutEvent, effective
from detection_api.rollout.controller import Controller, begin
from detection_api.rollout.routes import routes_of
from detection_api.rollout.run import Completion, Plan, Run
from tests.corpus import application
from tests.corpus.case import STAGES, Call, Case, Outcome
from tests.corpus.clients import USUAL, Clients
from tests.corpus.world import READS, START, records_in_tail

BAKE = 60.0
PATIENCE = 600.0
"""Seconds of a stage."""
TAKES = {Arm.DOMAIN: 0.004, Arm.LEGACY: 0.006}
"""Seconds that an arm takes for an answer."""
LAST_SECOND = 4 * 900
"""No run takes longer."""
STOPS = (EventKind.FAIL, EventKind.ROLLBACK, EventKind.LEAVE)
ALARMS = (*STOPS, EventKind.HOLD)


@dataclass(slots=True)
class Clock:
    """Seconds since the start; all clocks show it."""

    seconds: float = 0.0

    def now(self) -> datetime:
        """Return the store's time."""
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Return the time of durations."""
        return self.seconds


@contextmanager
def _simulated(clock: Clock) -> Iterator[None]:
    """Have what is made within read this clock, and start no thread."""
    defaults: list[Any] = [made.__init__.__kwdefaults__ for made in (Runtime, Engine)]
    with patch.object(Background, "start"):
        for default in defaults:
            default["clock"] = clock.monotonic
        try:
            yield
        finally:
            for default, real in zip(defaults, (time.monotonic, time.perf_counter), strict=True):
                default["clock"] = real


class Store(MemoryStore):
    """A store that can be away."""

    is_away = False

    def read(self) -> Any:
        """See Store."""
        self._require()
        return super().read()

    def flush(self, *arguments: Any) -> None:
        """See Store."""
        self._require()
        super().flush(*arguments)

    def _require(self) -> None:
        if self.is_away:
            raise OperationalError("the store is away")


class Simulation:
    """One case in one worker."""

    def __init__(self, case: Case, seed: int = 1) -> None:
        self.case = case
        self.clock = Clock()
        self.endpoint = f"corpus.{case.endpoint}"
        self.world = case.service.world()
        self.store = Store(self.clock.now)
        self.settings = CanarySettings(pinned=case.service.pinned, settle=case.service.settle)
        with _simulated(self.clock):
            self.app: Flask = application.create(
                self, self.settings, self.store, lambda: f"{seed} {self._requests}"
            )
        self.runtime: Runtime = self.app.extensions["canary"].runtime
        self.runtime.comparisons.shadow._start = lambda _: None  # its work is done by `_request`
        self.random = Random(f"{seed} {case.name}")
        shape = case.service.shape or USUAL[case.endpoint]
        self.clients = Clients(shape, case.service.clients, Random(seed))
        self._memory: dict[Any, Any] = {}
        self._calls, self._called_at = 0, 0.0
        self._promoted_at: float | None = None
        self._is_serving, self._is_comparing = False, True
        self._sent_is_wrong = False
        self._requests = self._wrong = self._lost = 0
        self._first_wrong: int | None = None
        self._stopped_after: int | None = None
        self._questions: set[str] = set()

    def run(self) -> Outcome:
        """Roll the case out to the run's end and beyond, and return what came of it."""
        case = self.case
        self._place(case.starts_at)
        self.runtime.link.step()
        if case.runs:
            self._roll_out()
        watched_until = self.clock.seconds + case.after
        while self.clock.seconds < watched_until and self._is_exposed_or_healthy():
            self._second()
        return self._outcome()

    def _place(self, percent: float) -> None:
        if percent:
            state = RolloutState(endpoint=self.endpoint, percent=percent, by="ann", reason="before")
            self.store.write(state, EventKind.SET, {})

    def _roll_out(self) -> None:
        plan = Plan(
            endpoints={self.endpoint: self.case.starts_at},
            stages=STAGES,
            bake=BAKE,
            patience=PATIENCE,
            without_verification=True,
        )
        run = begin(self.store, plan, by="ann", reason="corpus")
        controller = self._controller(run)
        while run.end is None and self.clock.seconds < LAST_SECOND:
            self._second()
            with suppress(OperationalError):
                run = _settled(controller)
        if run.end and run.end.evidence["completion"] == Completion.COMPLETE.value:
            self._promoted_at = self.clock.seconds

    def _controller(self, run: Run) -> Controller:
        contracts = {name: branches_of(route.rule) for name, route in routes_of(self.app).items()}
        return Controller(
            self.store, run.id, contracts=contracts, overrides=self.settings, verify=lambda _: {}
        )

    @property
    def percent(self) -> float:
        """The percent of the requests that the domain gets."""
        state = self.runtime.states.state(self.endpoint)
        return 100 * self.settings.share_of(state)

    def _is_exposed_or_healthy(self) -> bool:
        return self.case.is_healthy or self.percent > 0

    def _second(self) -> None:
        """Serve the requests of a second, then do the worker's turn."""
        second, rate = int(self.clock.seconds), self.case.service.rate
        outage = self.case.service.outage
        self.store.is_away = outage is not None and outage[0] <= second < outage[1]
        for number in range(rate):
            self.clock.seconds = max(self.clock.seconds, second + number / rate)
            self._request()
        self.clock.seconds = max(self.clock.seconds, second + 1.0)
        self.runtime.link.step()
        if self._stopped_after is None and any(e.kind in STOPS for e in self._events()):
            self._stopped_after = self._requests

    def _request(self) -> None:
        """Send one request, read its answer, then make the comparisons that are due."""
        self._requests += 1
        silent = self.case.service.silent_from
        is_silent = silent is not None and self.percent >= silent
        environ = self.clients.next((lambda _: "/violations/1") if is_silent else None)
        who: list[str] = []

        def start_response(_: str, headers: list[tuple[str, str]], *__: Any) -> Any:
            who.append(dict(headers).get("X-Canary", ""))

        self._is_serving, self._sent_is_wrong = True, False
        try:
            body = self.app.wsgi_app(environ, start_response)
        except BaseException:  # noqa: BLE001 - a crash of the worker is what some faults are
            self._lost += 1
            self._note_first()
            return
        finally:
            self._is_serving = False
        if self._sent_is_wrong and who[0].startswith("domain"):
            self._wrong += 1
            self._note_first()
        close = getattr(body, "close", None)
        if close:
            close()
        self._compare()

    def _note_first(self) -> None:
        if self._first_wrong is None:
            self._first_wrong = self._requests

    def _compare(self) -> None:
        """Make the comparisons that are due; a crash ends the thread that makes them."""
        try:
            while self._is_comparing and self.runtime.comparisons.shadow.work():
                pass
        except BaseException:  # noqa: BLE001 - a crash of the thread is what some faults are
            self._is_comparing = False

    def answer(self, arm: Arm, endpoint: str, arguments: dict[str, Any]) -> Any:
        """Return what an arm answers, and note whether a client gets a wrong answer."""
        service = self.case.service
        if self.store.is_away:
            raise OperationalError("the database is away")
        self.clock.seconds += TAKES[arm] + service.pause(self.clock.seconds)
        read = READS[endpoint]
        if arm is Arm.LEGACY:
            if service.legacy_tail and endpoint == "records":
                read = records_in_tail
            return read(self.world, self.clock.seconds, **arguments)
        return self._domain(read, arguments)

    def _domain(self, read: Any, arguments: dict[str, Any]) -> Any:
        """Answer as the faulty domain does; see whether a client gets a wrong answer."""
        call, is_client = self._call(arguments), self._is_serving
        right = deepcopy(_result(read, self.world, call.ingested, arguments))
        answer = _result(read, self.world, call.ingested, arguments)
        if not isinstance(answer, Exception):
            answer = self.case.fault(call, answer)
        if is_client:
            self._sent_is_wrong = repr(answer) != repr(right)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _call(self, arguments: dict[str, Any]) -> Call:
        now = self.clock.seconds
        idle, self._called_at = now - self._called_at, now
        self._calls += 1
        promoted_at = self._promoted_at
        return Call(
            world=self.world,
            now=now,
            ingested=self.world.ingested(now),
            arguments=arguments,
            number=self._calls,
            idle=idle,
            percent=self.percent,
            promoted_for=-1.0 if promoted_at is None else now - promoted_at,
            random=self.random,
            sleep=self._sleep,
            memory=self._memory,
        )

    def _sleep(self, seconds: float) -> None:
        self.clock.seconds += seconds

    def _events(self) -> list[RolloutEvent]:
        return self.store.events(self.endpoint, limit=None)[::-1]

    def _outcome(self) -> Outcome:
        events = self._events()
        applied = effective(self.store.read().states, self.endpoint)
        first = 0 if self._first_wrong is None else self._first_wrong - 1
        stopped = self._requests if self._stopped_after is None else self._stopped_after
        stops = [event for event in events if event.kind in STOPS]
        return Outcome(
            passed=[e.evidence["percent"] for e in events if e.kind is EventKind.PASS],
            kept=round(100 * self.settings.share_of(applied), 6),
            caught_by=_caught_by(stops[0]) if stops else "nothing",
            requests=stopped - first,
            wrong=self._wrong,
            lost=self._lost,
            alarms=[f"{e.kind.value}: {e.reason}" for e in events if e.kind in ALARMS],
        )


def _result(read: Any, world: Any, now: float, arguments: Mapping[str, Any]) -> Any:
    try:
        return read(world, now, **arguments)
    except HTTPException as error:
        return error


def _settled(controller: Controller) -> Run:
    """Return the run when the controller moves nothing more."""
    while (turn := controller.turn()).has_moved and turn.run.end is None:
        pass
    return turn.run


def _caught_by(event: RolloutEvent) -> str:
    evidence = event.evidence
    if event.kind is EventKind.ROLLBACK:
        return str(evidence.get("signal", event.by))
    if event.kind is EventKind.LEAVE:
        return str(evidence["cause"])
    gates = evidence.get("gates", ())
    return ", ".join(gate["name"] for gate in gates if gate["outcome"] == "failed")
