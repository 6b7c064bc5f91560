"""The demo's clients meet every branch of the contract, and nothing that legacy cannot see."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from flask import Flask
from psycopg2 import extensions

from detection_api import clock, create_app
from detection_api.app import routing
from detection_api.canary.comparison.coverage import branches_in, branches_of
from detection_api.dev.demo import history
from detection_api.dev.demo.clients import DemoRequest, asks
from detection_api.dev.demo.world import World
from detection_api.extensions import canary
from detection_api.ingest import cameras
from detection_api.legacy.sources import sources
from detection_api.rollout.routes import routes_of
from detection_api.web.parameters import parameters_of
from tests.dev.demo.support import environ, settings
from tests.ingest.support import query, read_to_end

NOW = datetime(2025, 10, 31, 9, 15, tzinfo=UTC)
UNREACHABLE = {("statistics.daily", "$:empty"), ("cameras.cameras", "$.cameras:empty")}
"""A day is at least asked for, and the demo has cameras."""

STATISTICS = {
    "type": "stats",
    "camera_id": "cam0",
    "timestamp": NOW.timestamp(),
    "data": {
        "persons": 2,
        "hairnets": 1,
        "handwash": 1,
        "fps": 24.5,
        "avg_detection_time": 0.02,
        "total_frames": 9,
        "processed_frames": 9,
    },
}

Answer = tuple[str, int, Any]
"""An endpoint, a status and a body."""


@pytest.fixture(scope="module")
def factory(
    migrated_database: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """The application on the demo's week, in both arms, at a moment that does not pass."""
    url, folder = migrated_database("demo_clients"), tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "utc_now", lambda: NOW)
        extensions.set_wait_callback(None)
        write(url, folder)
        app = create_app(environ(url, folder))
        sources.live.receive(msgspec.json.encode(STATISTICS))
        yield app
        canary.stop(app)
        extensions.set_wait_callback(None)


def write(url: str, folder: Path) -> None:
    """Write and ingest what there is."""
    history.write(World(1), settings(url, folder), NOW)
    read_to_end(url, folder / "logs" / "events_record.jsonl")
    cameras.sync(url, folder / "config" / "cameras.yaml")
    query(url, "INSERT INTO camera_statistics VALUES ('cam0', %s, 9, 9, 2, 1, 1, 24.5, 0.02)", NOW)


def answers(factory: Flask, force: str, count: int) -> list[Answer]:
    """What so many requests are answered by the arm that `force_domain` has."""
    client, urls, found = factory.test_client(), factory.url_map.bind("localhost"), []
    for ask in first(count):
        path, _, query_string = ask.path.partition("?")
        response = client.get(path, query_string=f"{query_string}&force_domain={force}")
        endpoint, _ = urls.match(path)
        found.append((endpoint, response.status_code, response.get_json()))
    return found


def first(count: int) -> list[DemoRequest]:
    return list(islice(asks(routing(), Random(1), lambda: NOW), count))


def test_every_branch_that_the_demo_has_data_for_is_met(factory: Flask) -> None:
    rules = {
        name: vars(view)["canary"].rule
        for name, view in factory.view_functions.items()
        if hasattr(view, "canary")
    }
    every = {(name, branch) for name, rule in rules.items() for branch in branches_of(rule)}
    found = answers(factory, "true", 7 * 120)
    met = {
        (name, branch)
        for name, status, body in found
        if status == 200
        for branch in branches_in(rules[name], body)
    }
    assert every - met == UNREACHABLE
    assert {status for _, status, _ in found} == {200, 404}


def test_legacy_sees_whatever_is_asked_for(factory: Flask) -> None:
    """Its limits are known, and would only hide what is not."""
    domain, legacy = (answers(factory, force, 7 * 40) for force in ("true", "false"))
    for ask, ours, theirs in zip(first(7 * 40), legacy, domain, strict=True):
        if ours[1] == 200:
            assert ours == theirs, ask


def test_all_endpoints_are_asked_for_as_often() -> None:
    paths = Counter(ask.path.removeprefix("/api/v1").partition("?")[0] for ask in first(700))
    assert sum(n for path, n in paths.items() if path.startswith("/records/violations/")) == 100
    assert (paths["/statistics/daily"], paths["/statistics/events"], paths["/cameras"]) == (
        100,
        100,
        100,
    )


def test_many_clients_say_who_they_are_and_some_do_not() -> None:
    clients = Counter(ask.client for ask in first(2000))
    assert 100 < clients.pop(None) < 300
    assert len(clients) > 800
    assert all("-" in str(client) for client in clients)


def test_every_parameter_of_every_endpoint_is_sent_and_left_out() -> None:
    app = routing()
    urls = app.url_map.bind("localhost")
    sent = defaultdict(set)
    for ask in first(7 * 60):
        path, _, query = ask.path.partition("?")
        endpoint, _ = urls.match(path)
        sent[endpoint].add(frozenset(parse_qs(query)))
    for endpoint in routes_of(app):
        for parameter in parameters_of(app.view_functions[endpoint]):
            if not parameter.is_required:
                present = {parameter.name in names for names in sent[endpoint]}
                assert present == {True, False}, (endpoint, parameter.name)


def test_the_same_seed_is_the_same_traffic() -> None:
    assert first(50) == first(50)
