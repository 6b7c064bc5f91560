"""A rollout of one case on simulated time. Read `Simulation.run` first.

The Flask application, the canary, its guards, comparisons and ledger, and the controller are the
real ones. Time, clients and data are simulated, and background work is done between requests.
"""

from contextlib import suppress
from random import Random
from typing import Any

from flask import Flask
from psycopg2 import OperationalError

from detection_api.canary import CanarySettings, EventKind, MemoryStore, RolloutState
from detection_api.canary.comparison import branches_of
from detection_api.canary.fleet.runtime import Runtime
from detection_api.canary.state import RolloutEvent, effective
from detection_api.rollout.controller import Controller, begin
from detection_api.rollout.routes import routes_of
from detection_api.rollout.run import Completion, Plan, Run
from tests.corpus import application
from tests.corpus.arms import Arms
from tests.corpus.case import STAGES, Case, Outcome
from tests.corpus.clients import USUAL, Clients
from tests.corpus.simulated import Clock, Store, simulated

BAKE = 60.0
PATIENCE = 400.0
"""Seconds of a stage."""
LAST_SECOND = 4 * 900
"""No run takes longer."""
STOPS = (EventKind.FAIL, EventKind.ROLLBACK, EventKind.LEAVE)
ALARMS = (*STOPS, EventKind.HOLD)


class Simulation:
    """One case in one worker."""

    def __init__(self, case: Case, seed: int = 1) -> None:
        self.case = case
        self.clock = Clock()
        self.endpoint = f"corpus.{case.endpoint}"
        self.store = Store(self.clock.now)
        self.settings = CanarySettings(pinned=case.service.pinned, settle=case.service.settle)
        random = Random(f"{seed} {case.name}")
        self.arms = Arms(case, self.clock, self.store, random, lambda: self.percent)
        with simulated(self.clock):
            self.app: Flask = application.create(
                self.arms, self.settings, self.store, lambda: f"{seed} {self._requests}"
            )
        self.runtime: Runtime = self.app.extensions["canary"].runtime
        self.runtime.comparisons.shadow._start = lambda _: None  # its work is done by `_request`
        shape = case.service.shape or USUAL[case.endpoint]
        self.clients = Clients(shape, case.service.clients, Random(seed))
        self._is_comparing, self._is_silent = True, False
        self._requests = self._wrong = self._lost = 0
        self._first_wrong: int | None = None
        self._stopped_after: int | None = None

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
            self.arms.promoted_at = self.clock.seconds

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
        silent = self.case.service.silent_from
        self._is_silent = silent is not None and self._stored().percent >= silent
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
        environ = self.clients.next((lambda _: "/violations/1") if self._is_silent else None)
        who: list[str] = []

        def start_response(_: str, headers: list[tuple[str, str]], *__: Any) -> Any:
            who.append(dict(headers).get("X-Canary", ""))

        self.arms.is_wrong = False
        try:
            body = self.app.wsgi_app(environ, start_response)
        except BaseException:  # noqa: BLE001 - a crash of the worker is what some faults are
            self._lost += 1
            self._note_first()
            return
        if self.arms.is_wrong and who[0].startswith("domain"):
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

    def _stored(self) -> RolloutState:
        return effective(MemoryStore.read(self.store).states, self.endpoint)

    def _events(self) -> list[RolloutEvent]:
        return self.store.events(self.endpoint, limit=None)[::-1]

    def _outcome(self) -> Outcome:
        events = self._events()
        first = 0 if self._first_wrong is None else self._first_wrong - 1
        stopped = self._requests if self._stopped_after is None else self._stopped_after
        stops = [event for event in events if event.kind in STOPS]
        return Outcome(
            passed=[e.evidence["percent"] for e in events if e.kind is EventKind.PASS],
            kept=round(100 * self.settings.share_of(self._stored()), 6),
            caught_by=_caught_by(stops[0]) if stops else "nothing",
            requests=stopped - first,
            wrong=self._wrong,
            lost=self._lost,
            alarms=[f"{e.kind.value}: {e.reason}" for e in events if e.kind in ALARMS],
        )


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
