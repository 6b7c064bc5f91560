"""A service with seven endpoints, one worker and a store, on a clock that tests turn.

The canary, its guard and its comparisons are the real ones, and so are the contracts; what the
implementations answer is made up, and takes as long as a test says.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import pytest
from marshmallow import Schema

from detection_api.canary.comparison.coverage import branches_of
from detection_api.canary.contract.encoder import Contract
from detection_api.canary.contract.rules import rules_of
from detection_api.canary.fleet.runtime import HostApplication, Runtime
from detection_api.canary.serving.engine import CanaryRequest, Engine, Route
from detection_api.canary.serving.settings import CanarySettings
from detection_api.canary.state.memory import MemoryStore
from detection_api.canary.state.store import Store
from detection_api.canary.state.types import Arm, EventKind
from detection_api.rollout.controller.controller import Controller, Turn, Verify
from detection_api.rollout.controller.lifecycle import begin
from detection_api.rollout.gates.judgement import Verified
from detection_api.rollout.run import Phase, Plan, Run
from detection_api.schemas.cameras import CameraListSchema, CameraStatsSchema
from detection_api.schemas.records import RecordPageSchema, ViolationSchema
from detection_api.schemas.statistics import DailyCountSchema, EventPageSchema, HistoryItemSchema

START = datetime(2026, 11, 25, 12, tzinfo=UTC)
MOMENT = datetime(2026, 11, 25, 9, 15, tzinfo=UTC)
BOX = {"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0}


def record(number: int, value: Any) -> dict[str, Any]:
    return {
        "id": number,
        "camera_id": "cam0",
        "timestamp": MOMENT,
        "frame_number": value and 7,
        "person_count": 2,
        "hairnet_violations": 1,
        "handwash_events": 0,
        "sanitize_events": 0,
        "fps": value and 24.5,
        "processing_time": value and 0.02,
    }


def page(*records: dict[str, Any]) -> dict[str, Any]:
    """A page of many that match."""
    total = 900 if records else 0
    return {"records": [*records], "total": total, "camera_id": "cam0", "limit": 2, "offset": 0}


def violation(value: Any) -> dict[str, Any]:
    return {
        "id": 1,
        "camera_id": "cam0",
        "timestamp": MOMENT,
        "violation_type": "no_hairnet",
        "track_id": value and 7,
        "confidence": value and 0.9,
        "status": "pending",
        "snapshot_path": value and "a.jpg",
        "bbox": value and BOX,
        "handled_at": value and MOMENT,
        "handled_by": value and "ann",
        "notes": value and "seen",
        "created_at": MOMENT,
        "updated_at": MOMENT,
    }


def event(value: Any) -> dict[str, Any]:
    return {
        "id": "1_7",
        "timestamp": MOMENT,
        "type": "NO_HAIRNET",
        "camera_id": "cam0",
        "confidence": 0.9,
        "track_id": value and 7,
        "region": value and "sink",
        "metadata": {"a": 1} if value else {},
    }


def item(value: Any) -> dict[str, Any]:
    return {
        "ts": 1761900000.5,
        "camera_id": "cam0",
        "type": "NO_HAIRNET",
        "track_id": value and 7,
        "region": value and "sink",
        "detail": {"a": 1} if value else {},
    }


def camera(value: Any) -> dict[str, Any]:
    return {
        "id": "cam0",
        "name": "cam0",
        "source": "rtsp",
        "location": value and "hall",
        "status": "running",
        "active": True,
        "auto_start": True,
        "resolution": value and "1920x1080",
        "fps": value and 25.0,
        "region_id": value and "r1",
        "regions_file": value and "r.json",
    }


def camera_stats(value: Any) -> dict[str, Any]:
    stats = dict.fromkeys(
        (
            "total_frames",
            "processed_frames",
            "detected_persons",
            "detected_hairnets",
            "detected_handwash",
        ),
        3,
    )
    rates = {"avg_fps": 24.5, "avg_detection_time": 0.02}
    seen = {"last_detection_time": value and MOMENT}
    return {
        "camera_id": "cam0",
        "running": bool(value),
        "pid": 1,
        "log_file": "",
        "stats": {**stats, **rates, **seen},
    }


def day(counts: Mapping[str, int]) -> dict[str, Any]:
    return {"date": date(2026, 11, 25), "total_events": 3, "counts_by_type": counts}


ANSWERS: Mapping[str, tuple[Schema, Sequence[Any]]] = {
    "records.detection_records": (
        RecordPageSchema(),
        [page(record(1, 1), record(2, None)), page()],
    ),
    "records.violation": (ViolationSchema(), [violation(1), violation(None)]),
    "statistics.daily": (DailyCountSchema(many=True), [[day({"A": 3}), day({})], []]),
    "statistics.events": (
        EventPageSchema(),
        [{"events": [event(1), event(None)], "total": 2}, {"events": [], "total": 0}],
    ),
    "statistics.history": (HistoryItemSchema(many=True), [[item(1), item(None)], []]),
    "cameras.cameras": (
        CameraListSchema(),
        [{"cameras": [camera(1), camera(None)]}, {"cameras": []}],
    ),
    "cameras.camera_stats": (CameraStatsSchema(), [camera_stats(1), camera_stats(None)]),
}
"""What each endpoint has to answer, by turns: together they take every branch of its contract."""
ENDPOINTS = tuple(ANSWERS)

Fault = Callable[[Any], Any]


def healthy(answer: Any) -> Any:
    """No fault."""
    return answer


@dataclass
class Clock:
    """Seconds since START; the wall clock and the monotonic one alike."""

    seconds: float = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class Fleet:
    """What a test says of the service: who is broken, and how long an arm takes, in seconds."""

    clock: Clock
    faults: dict[str, Fault] = field(default_factory=dict)
    takes: dict[tuple[str, Arm], float] = field(default_factory=dict)
    overrides: CanarySettings = field(
        default_factory=lambda: CanarySettings(
            pinned={}, shadow_percent=100, shadow_per_second=1_000_000
        )
    )

    def __post_init__(self) -> None:
        self.store: Store = MemoryStore(self.clock.now)
        self._random = Random(20261125)
        self._number = count()
        self.routes = {
            endpoint: self._route(endpoint, schema, answers)
            for endpoint, (schema, answers) in ANSWERS.items()
        }
        self.runtime = Runtime(
            self.overrides,
            self.store,
            HostApplication(endpoints=tuple(ENDPOINTS)),
            is_alone=True,
            clock=self.clock.monotonic,
        )
        self.runtime.comparisons.shadow._start = lambda _: None  # its work is done by `request`

    def _route(self, endpoint: str, schema: Schema, answers: Sequence[Any]) -> Route:
        def run(arm: Arm, turn: int) -> Any:
            self.clock.seconds += self.takes.get((endpoint, arm), 0.005)
            answer = answers[turn % len(answers)]
            return self.faults.get(endpoint, healthy)(answer) if arm is Arm.DOMAIN else answer

        return Route(
            domain=lambda turn: run(Arm.DOMAIN, turn),
            legacy=lambda turn: run(Arm.LEGACY, turn),
            contract=Contract(schema),
            rule=rules_of(schema),
        )

    def request(
        self,
        endpoint: str,
        turn: int,
        *,
        client: str | None = None,
        forced: Arm | None = None,
    ) -> None:
        """A request that is answered, counted and compared; it takes no time but its own."""
        number = next(self._number)
        subject = client or str(self._random.getrandbits(64))
        ask = CanaryRequest(
            subject=subject, named=client is not None, forced=forced, request_id=f"r{number}"
        )
        route, arguments = self.routes[endpoint], {"turn": turn}
        served = self.runtime.serve(route, endpoint, ask, arguments)
        self.runtime.account(endpoint, ask, served, 200)
        if self.runtime.comparisons.is_chosen(endpoint, ask, route, served):
            self.runtime.comparisons.offer(endpoint, ask, route, served, arguments)
        while self.runtime.comparisons.shadow.work():
            pass

    def second(
        self, endpoints: Iterable[str] = ENDPOINTS, requests: int = 40, **asked: Any
    ) -> None:
        """A second in which each of the endpoints gets so many requests."""
        began = self.clock.seconds
        turns = asked.pop("turns", range(requests))
        for turn in turns:
            for endpoint in endpoints:
                self.request(endpoint, turn, **asked)
        self.clock.seconds = max(began + 1, self.clock.seconds)
        self.runtime.link.step()

    def controller(self, run: Run, *, verify: Verify | None = None) -> Controller:
        """A controller that goes on with the run."""

        def nobody(endpoints: Collection[str]) -> Mapping[str, Sequence[Verified]]:
            raise AssertionError(f"verifies {endpoints}")

        return Controller(
            self.store,
            run.id,
            contracts={name: branches_of(route.rule) for name, route in self.routes.items()},
            overrides=self.overrides,
            verify=verify or nobody,
        )

    def begin(self, **plan: Any) -> Run:
        """A run of all endpoints, in two short stages, by ann; but for what is said."""
        given: dict[str, Any] = {
            "endpoints": dict.fromkeys(ENDPOINTS, 0.0),
            "stages": (50, 100),
            "bake": 15,
            "patience": 120,
            "min_requests": 110,
            "min_comparisons": 30,
            "without_verification": True,
            **plan,
        }
        return begin(self.store, Plan(**given), by="ann", reason="release 2")

    def roll_out(
        self, run: Run, serve: Callable[[], None] | None = None, *, seconds: int = 400
    ) -> Run:
        """Have the run go on to its end, each second being what `serve` does."""
        controller = self.controller(run)
        for _ in range(seconds):
            (serve or self.second)()
            turn = settled(controller)
            if turn.run.end is not None:
                return turn.run
        raise AssertionError(f"no end within {seconds} s: {turn.run.open}")

    def stages(self, endpoint: str) -> list[float]:
        """The percents that runs have raised an endpoint to, oldest first."""
        return [
            event.evidence["percent"]
            for event in reversed(self.store.events(endpoint, limit=None))
            if event.kind is EventKind.STAGE
        ]


def settled(controller: Controller) -> Turn:
    """The last of the turns that a controller takes until nothing moves."""
    while (turn := controller.turn()).has_moved and turn.run.end is None:
        pass
    return turn


def phases(run: Run) -> dict[str, Phase]:
    return {endpoint: progress.phase for endpoint, progress in run.progress.items()}


def why(run: Run, endpoint: str) -> str:
    """Why an endpoint is where it is."""
    event = run.progress[endpoint].event
    assert event is not None
    return event.reason


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that implementations move, and that they are timed by."""
    clock = Clock()
    defaults: Any = Engine.__init__.__kwdefaults__
    monkeypatch.setitem(defaults, "clock", clock.monotonic)
    return clock


@pytest.fixture
def fleet(clock: Clock) -> Fleet:
    return Fleet(clock)
