"""Requests of the demo's clients, derived from the parameters that the routes declare; pure.

Every parameter is absent or present, and names what exists or, now and then, what does not. So the
answers take every branch of the contract that the demo has data for. Filters by type stay within
the last hour of the event log, of which legacy reads the end only.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from flask import Flask
from marshmallow import fields

from detection_api.db import PagePosition
from detection_api.dev.demo.visits import EventType
from detection_api.dev.demo.world import CAMERAS
from detection_api.rollout.routes import routes_of
from detection_api.web.parameters import Parameter, parameters_of

NAMED = {"screen": 400, "supervisor": 400, "report": 400}
"""Clients of each role that send their name: enough for 10% of them to be about 10%."""
NAMELESS_SHARE = 0.1
OPTIONAL_SHARE = 1 / 3
"""Share of requests that have an optional parameter."""
UNKNOWN_SHARE = 0.15
"""Share of names that belong to no camera and no type."""
UNKNOWN = "cam9"
VIOLATION_IDS = 420
"""The highest violation id: a week has about 350 violations, so some are missing."""
LARGEST_NUMBER = 300
LONG_AGO = ("2000-01-01T00:00:00Z", "2000-01-02T00:00:00Z")


class DemoRequest(NamedTuple):
    """A request: the client's name, None if it sends none, and the path with its query."""

    client: str | None
    path: str


def asks(app: Flask, random: Random, now: Callable[[], datetime]) -> Iterator[DemoRequest]:
    """Yield requests for the canaried endpoints of `app` without end, equally many for each."""
    clients = [f"{role}-{number}" for role, count in NAMED.items() for number in range(count)]
    urls = app.url_map.bind("localhost")
    declared = {name: parameters_of(app.view_functions[name]) for name in routes_of(app)}
    while True:
        endpoints = list(declared)
        random.shuffle(endpoints)
        for endpoint in endpoints:
            path = urls.build(endpoint, _arguments(declared[endpoint], random, now()))
            is_nameless = random.random() < NAMELESS_SHARE
            yield DemoRequest(None if is_nameless else random.choice(clients), path)


def _arguments(
    parameters: tuple[Parameter, ...], random: Random, now: datetime
) -> dict[str, object]:
    """Return values for the required parameters and for some of the others."""
    by_fact = {
        parameter.fact: parameter
        for parameter in parameters
        if parameter.is_required or random.random() < OPTIONAL_SHARE
    }
    values = {
        parameter.name: _value(parameter, random, now)
        for fact, parameter in by_fact.items()
        if fact not in ("start_time", "end_time")
    }
    names = {parameter.fact: parameter.name for parameter in parameters}
    if "start_time" in names and {"start_time", "end_time", "event_type"} & by_fact.keys():
        start, end = _window(random, now, is_recent="event_type" in by_fact)
        values[names["start_time"]] = start
        if "end_time" in names and random.random() < 1 / 2:
            values[names["end_time"]] = end
    return values


def _value(parameter: Parameter, random: Random, now: datetime) -> object:
    if parameter.fact in _VALUES:
        return _VALUES[parameter.fact](random, now)
    if parameter.members:
        return random.choice(parameter.members)
    if parameter.bounds and isinstance(parameter.field, fields.Number):
        low, high = parameter.bounds
        return random.randint(low, min(high, max(low, LARGEST_NUMBER)))
    return UNKNOWN


def _window(random: Random, now: datetime, *, is_recent: bool) -> tuple[str, str]:
    """Return a part of the last hour, or else of the last two or of a time without data."""
    if not is_recent and random.random() < UNKNOWN_SHARE:
        return LONG_AGO
    start = now - timedelta(minutes=random.randint(30, 60 if is_recent else 120))
    return _moment(start), _moment(start + timedelta(minutes=random.randint(1, 30)))


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _one_of(names: list[str], random: Random) -> str:
    return UNKNOWN if random.random() < UNKNOWN_SHARE else random.choice(names)


_VALUES: Mapping[str, Callable[[Random, datetime], Any]] = {
    "camera_id": lambda random, _: _one_of(list(CAMERAS), random),
    "event_type": lambda random, _: _one_of([kind.value for kind in EventType], random),
    "violation_id": lambda random, _: random.randint(1, VIOLATION_IDS),
    "cursor": lambda random, now: PagePosition(
        now - timedelta(minutes=random.randint(1, 120)), random.randint(1, 10_000)
    ).text(),
}
"""Values of what the demo's factory has, by the name of the parameters that take them."""
