"""Who asks the demo's API, and what for: screens, supervisors, reports and scripts; pure.

Everybody asks for what is there and now and then for what is not, so that the answers take every
branch of the contract that the demo has data for. Nobody asks for what only one implementation can
see: filters stay within the newest hours of the event log, of which legacy reads the end.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple
from urllib.parse import urlencode

from detection_api.dev.demo.visits import EventType
from detection_api.dev.demo.world import CAMERAS

NAMED = {"screen": 400, "supervisor": 400, "report": 400}
"""How many clients of each role send their name; so many that 10% of them are about 10%."""
NAMELESS_SHARE = 0.1
UNKNOWN_SHARE = 0.15
"""Share of requests for a camera or a type that there is none of."""
UNKNOWN = "cam9"
VIOLATION_IDS = 420
"""Ids asked for: a week has about 350 violations, so some are missing."""
LONG_AGO = {"start_time": "2000-01-01T00:00:00Z", "end_time": "2000-01-02T00:00:00Z"}

Parameters = Mapping[str, object]


class DemoRequest(NamedTuple):
    """A request: the client that names itself, if it does, and the path with its query."""

    client: str | None
    path: str


def asks(random: Random, now: Callable[[], datetime]) -> Iterator[DemoRequest]:
    """What is asked for, without an end; as often of each endpoint, in no order."""
    clients = [f"{role}-{number}" for role, count in NAMED.items() for number in range(count)]
    while True:
        endpoints = list(_ENDPOINTS)
        random.shuffle(endpoints)
        for endpoint in endpoints:
            path, parameters = endpoint(random, now())
            query = f"?{urlencode(parameters)}" if parameters else ""
            is_nameless = random.random() < NAMELESS_SHARE
            client = None if is_nameless else random.choice(clients)
            yield DemoRequest(client, f"/api/v1{path}{query}")


def _detection_records(random: Random, now: datetime) -> tuple[str, Parameters]:
    parameters: Parameters = random.choice(
        (
            {},
            {"limit": 20},
            {"limit": 20, "offset": 20 * random.randrange(1, 20)},
            {"limit": 300},
            _window(random, now),
            {"start_time": _moment(now - timedelta(hours=1))},
            LONG_AGO,
        )
    )
    return f"/records/detection-records/{_camera(random)}", parameters


def _violation(random: Random, _: datetime) -> tuple[str, Parameters]:
    return f"/records/violations/{random.randint(1, VIOLATION_IDS)}", {}


def _daily(random: Random, _: datetime) -> tuple[str, Parameters]:
    parameters: Parameters = random.choice(({}, {"days": 1}, {"days": 30}))
    return "/statistics/daily", {**parameters, **_of_some_camera(random)}


def _events(random: Random, now: datetime) -> tuple[str, Parameters]:
    kind = UNKNOWN if random.random() < UNKNOWN_SHARE else random.choice(list(EventType)).value
    last_hour = {"start_time": _moment(now - timedelta(hours=1))}
    parameters: Parameters = random.choice(
        (
            {},
            {"limit": 20},
            {"limit": 300},
            {**last_hour, "event_type": kind},
            _window(random, now),
            LONG_AGO,
        )
    )
    return "/statistics/events", {**parameters, **_of_some_camera(random)}


def _history(random: Random, _: datetime) -> tuple[str, Parameters]:
    parameters: Parameters = random.choice(
        ({}, {"minutes": 5}, {"minutes": 1440, "limit": 300}, {"limit": 20})
    )
    return "/statistics/history", {**parameters, **_of_some_camera(random)}


def _cameras(random: Random, _: datetime) -> tuple[str, Parameters]:
    return "/cameras", random.choice(({}, {"active_only": "true"}, {"active_only": "false"}))


def _camera_stats(random: Random, _: datetime) -> tuple[str, Parameters]:
    return f"/cameras/{_camera(random)}/stats", {}


_ENDPOINTS = (
    _detection_records,
    _violation,
    _daily,
    _events,
    _history,
    _cameras,
    _camera_stats,
)


def _camera(random: Random) -> str:
    return UNKNOWN if random.random() < UNKNOWN_SHARE else random.choice(list(CAMERAS))


def _of_some_camera(random: Random) -> Parameters:
    """Half of all filters are none."""
    return {"camera_id": _camera(random)} if random.random() < 1 / 2 else {}


def _window(random: Random, now: datetime) -> Parameters:
    """A part of the last two hours."""
    start = now - timedelta(minutes=random.randint(30, 120))
    end = start + timedelta(minutes=random.randint(1, 30))
    return {"start_time": _moment(start), "end_time": _moment(end)}


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
