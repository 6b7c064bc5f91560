"""The operators' API: who may do what, what comes of it, and what is told of how things stand."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg2
import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation
from werkzeug.test import TestResponse

from detection_api import create_app, token_format
from detection_api.canary.state.postgres import PostgresStore
from detection_api.canary.state.store import Store
from detection_api.canary.state.types import DEFAULT, EventKind, RolloutEvent, RolloutState, Status
from detection_api.extensions import canary
from detection_api.models.tokens import Role
from detection_api.rollout.controller.lifecycle import begin
from detection_api.rollout.extension import rollout_of
from detection_api.rollout.overview import overview
from detection_api.rollout.run import Plan, latest
from detection_api.services.tokens import Tokens
from detection_api.web import auth
from detection_api.web.throttle import BURST, SECONDS_EACH, Throttle
from tests.blueprints.conftest import MakeApp
from tests.blueprints.test_openapi import ALL
from tests.canary.stores import batch, heartbeat, latencies, mismatches, pool_of
from tests.ingest.support import query
from tests.log_lines import logged
from tests.rollout.controllers import another_controller

BASE = "/api/v1/rollout"
ENDPOINT = "records.violation"
ORDERS: dict[str, dict[str, Any]] = {
    "set": {"endpoint": ENDPOINT, "percent": 25, "reason": "stage 2"},
    "rollback": {"endpoint": ENDPOINT, "reason": "wrong totals"},
    "hold": {"endpoint": ENDPOINT, "reason": "until the release"},
    "resume": {"endpoint": ENDPOINT, "reason": "fixed"},
}
EXAMPLES = 20
"""Of each of many routes; each is sent with wrong tokens, too."""
READS = ("", "/events", "/ledger", "/mismatches")
ADDRESSES = itertools.count(1)


@dataclass(frozen=True)
class Bearers:
    """A token of each kind."""

    operator: str
    viewer: str
    revoked: str

    @property
    def all(self) -> tuple[str, ...]:
        return self.operator, self.viewer, self.revoked


@pytest.fixture(scope="module")
def url(migrated_database: Callable[[str], str]) -> str:
    return migrated_database("operators")


@pytest.fixture(scope="module")
def bearers(url: str) -> Bearers:
    pool = pool_of(url)
    tokens = Tokens(pool.connection)
    made = Bearers(
        operator=tokens.create("alice", Role.OPERATOR, by="root"),
        viewer=tokens.create("screen", Role.VIEWER, by="root"),
        revoked=tokens.create("bob", Role.OPERATOR, by="root"),
    )
    tokens.revoke("bob", by="root", reason="has left")
    pool.dispose()
    return made


@pytest.fixture(scope="module")
def app(url: str, bearers: Bearers) -> Iterator[Flask]:
    assert bearers, "before the application first looks for them"
    made = create_app({"DATABASE_URL": url, "ROLLOUT_PERCENT_STATISTICS_DAILY": "10"})
    yield made
    canary.stop(made)


@pytest.fixture
def store(app: Flask, url: str) -> Store:
    """The fleet's store, with nothing in it."""
    with closing(psycopg2.connect(url)) as connection, connection:
        connection.cursor().execute(
            "SET LOCAL session_replication_role = replica;"  # without triggers
            "TRUNCATE rollout_state, rollout_event, canary_ledger, canary_worker, canary_mismatch"
        )
    return rollout_of(app).store


@pytest.fixture
def client(app: Flask, store: Store) -> FlaskClient:
    """A client at an address of its own."""
    assert store, "is empty"
    made = app.test_client()
    made.environ_base["REMOTE_ADDR"] = f"192.0.2.{next(ADDRESSES) % 256}"
    return made


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def order(client: FlaskClient, bearers: Bearers) -> Callable[..., TestResponse]:
    """Gives an order as alice, with members of ORDERS replaced."""

    def give(name: str, **members: Any) -> TestResponse:
        body = {**ORDERS[name], **members}
        return client.post(f"{BASE}/{name}", json=body, headers=bearing(bearers.operator))

    return give


@pytest.fixture
def look(client: FlaskClient, bearers: Bearers) -> Callable[..., TestResponse]:
    """Reads as a viewer."""

    def ask(path: str = "", **parameters: Any) -> TestResponse:
        return client.get(f"{BASE}{path}", query_string=parameters, headers=bearing(bearers.viewer))

    return ask


def is_problem(response: TestResponse, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    body: dict[str, Any] = response.get_json()
    assert body["status"] == status
    return body


def audit(url: str) -> list[tuple[Any, ...]]:
    return query(url, "SELECT * FROM rollout_event ORDER BY id")


# Who may do what


REFUSED: Mapping[str, tuple[int, Callable[[Bearers], dict[str, str]]]] = {
    "without a token": (401, lambda bearers: {}),
    "with a wrong token": (401, lambda bearers: bearing(token_format.new_token())),
    "with a token's digest": (401, lambda b: bearing(token_format.digest(b.operator).hex())),
    "with a revoked token": (401, lambda bearers: bearing(bearers.revoked)),
    "with a viewer's token": (403, lambda bearers: bearing(bearers.viewer)),
    "by another scheme": (401, lambda b: {"Authorization": f"Token {b.operator}"}),
    "as a user's password": (401, lambda b: {"Authorization": "Basic YWxpY2U6cGFzc3dvcmQ="}),
    "with nothing after the scheme": (401, lambda bearers: {"Authorization": "Bearer"}),
}


@pytest.mark.parametrize("who", REFUSED)
@pytest.mark.parametrize("name", ORDERS)
def test_nobody_but_an_operator_changes_anything(
    client: FlaskClient,
    store: Store,
    url: str,
    bearers: Bearers,
    name: str,
    who: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.write(RolloutState(endpoint=ENDPOINT, percent=5), EventKind.SET, {})
    before, states = audit(url), store.read().states
    status, headers_of = REFUSED[who]
    headers = headers_of(bearers)
    response = client.post(f"{BASE}/{name}", json=ORDERS[name], headers=headers)
    is_problem(response, status)
    assert ("WWW-Authenticate" in response.headers) is (status == 401)
    assert (audit(url), store.read().states) == (before, states)
    everything = f"{response.headers}{response.text}{caplog.text}"
    assert '"request"' in everything or "'request'" in everything, "the log is among it"
    shown = headers.get("Authorization", "Bearer none").partition(" ")[2] or "none"
    assert not any(token in everything for token in (*bearers.all, shown))


@pytest.mark.parametrize("place", ["query", "body", "form", "cookie"])
def test_a_token_counts_in_its_header_alone(
    client: FlaskClient, store: Store, bearers: Bearers, place: str
) -> None:
    """A URL is written into logs and histories; a cookie is sent by other sites' pages, too."""
    body, parameters = ORDERS["rollback"], {}
    if place == "query":
        parameters = {"access_token": bearers.operator, "token": bearers.operator}
    elif place == "cookie":
        client.set_cookie("token", bearers.operator)
    elif place == "body":
        body = {**body, "access_token": bearers.operator}
    given: dict[str, Any] = {"json": body}
    if place == "form":
        given = {"data": {"access_token": bearers.operator}}
    response = client.post(f"{BASE}/rollback", query_string=parameters, **given)
    is_problem(response, 401)
    assert bearers.operator not in response.text
    assert store.read().states == {}


@pytest.mark.parametrize("path", READS)
def test_viewers_and_operators_read_and_nobody_else(
    client: FlaskClient, bearers: Bearers, path: str
) -> None:
    for token in (bearers.viewer, bearers.operator):
        response = client.get(BASE + path, headers=bearing(token))
        assert response.status_code == 200
        assert "X-Canary" not in response.headers, "none of this is canaried"
    for token in (bearers.revoked, token_format.new_token()):
        problem = is_problem(client.get(BASE + path, headers=bearing(token)), 401)
        assert "revoked, or never was one" in problem["detail"]
    assert "Authorization: Bearer" in is_problem(client.get(BASE + path), 401)["detail"]


def test_a_client_is_told_how_to_show_a_token(client: FlaskClient) -> None:
    challenge = 'Bearer realm="detection-api"'
    assert client.get(BASE).headers["WWW-Authenticate"] == challenge
    wrong = client.get(BASE, headers=bearing("dapi_wrong"))
    assert wrong.headers["WWW-Authenticate"] == f'{challenge}, error="invalid_token"'


def test_a_viewer_is_told_what_is_missing(client: FlaskClient, bearers: Bearers) -> None:
    response = client.post(f"{BASE}/hold", json={}, headers=bearing(bearers.viewer))
    detail = is_problem(response, 403)["detail"]
    assert detail == "This needs a token of role operator; screen is viewer."


def test_without_any_token_everything_is_closed_and_says_how_to_open_it(
    database: str, make_app: MakeApp
) -> None:
    closed = make_app({"DATABASE_URL": database}).test_client()
    for response in (
        *(closed.post(f"{BASE}/{name}", json=body) for name, body in ORDERS.items()),
        *(closed.get(BASE + path) for path in READS),
        closed.post(f"{BASE}/hold", json=ORDERS["hold"], headers=bearing(token_format.new_token())),
    ):
        detail = is_problem(response, 401)["detail"]
        assert "detection-api tokens create NAME --role operator" in detail
    assert query(database, "SELECT 1 FROM rollout_event UNION SELECT 1 FROM rollout_state") == []


class Clock:
    """Time that passes when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_wrong_tokens_are_throttled_by_address_and_right_ones_never(
    url: str, bearers: Bearers, make_app: MakeApp
) -> None:
    clock, pool = Clock(), pool_of(url)
    app = make_app({"DATABASE_URL": url})
    auth.init_app(app, Tokens(pool.connection), Throttle(clock=clock))
    client = app.test_client()

    def guess(address: str = "192.0.2.1") -> TestResponse:
        return client.get(
            BASE,
            headers=bearing(token_format.new_token()),
            environ_overrides={"REMOTE_ADDR": address},
        )

    assert {guess().status_code for _ in range(BURST)} == {401}
    throttled = guess()
    assert "try again in 6 s" in is_problem(throttled, 429)["detail"]
    assert throttled.headers["Retry-After"] == str(int(SECONDS_EACH))
    assert guess("192.0.2.2").status_code == 401
    for right in (bearers.operator, bearers.viewer):
        response = client.get(
            BASE, headers=bearing(right), environ_overrides={"REMOTE_ADDR": "192.0.2.1"}
        )
        assert response.status_code == 200
    assert client.get(BASE).status_code == 401, "showing none is no guess"
    clock.now += SECONDS_EACH
    assert [guess().status_code for _ in range(2)] == [401, 429]
    pool.dispose()


@pytest.mark.parametrize("path", READS)
def test_while_postgres_is_away_it_is_a_503_that_says_when_to_come_back(
    make_app: MakeApp, path: str
) -> None:
    away = make_app({"DATABASE_URL": "postgresql://127.0.0.1:1/x"}).test_client()
    response = away.get(BASE + path, headers=bearing(token_format.new_token()))
    is_problem(response, 503)
    assert response.headers["Retry-After"] == "5"
    assert "127.0.0.1" not in response.text


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_that_postgres_does_not_take_in_time_is_a_503(
    client: FlaskClient, order: Callable[..., TestResponse], url: str, name: str, app: Flask
) -> None:
    """The token was recognised; then somebody locks the table for long."""
    patient = rollout_of(app)
    impatient = pool_of(url, deadline=0.5)
    app.extensions["rollout"] = replace(patient, store=PostgresStore(impatient.connection))
    try:
        with closing(psycopg2.connect(url)) as holder:
            holder.cursor().execute("LOCK TABLE rollout_state")
            response = order(name)
    finally:
        app.extensions["rollout"] = patient
        impatient.dispose()
    is_problem(response, 503)
    assert response.headers["Retry-After"] == "5"
    assert patient.store.read().states == {}


# What comes of an order


def test_an_order_is_carried_out_and_audited_with_the_tokens_name(
    order: Callable[..., TestResponse], store: Store
) -> None:
    response = order("set")
    assert response.status_code == 200
    state = response.get_json()["state"]
    assert (state["percent"], state["status"], state["epoch"]) == (25, "active", 1)
    assert state["by"] == "token:alice"
    assert (response.get_json()["changed"], response.get_json()["cautions"]) == (True, [])
    (event,) = store.events(ENDPOINT)
    assert (event.kind, event.by, event.reason) == (EventKind.SET, "token:alice", "stage 2")
    assert event.evidence == {"percent_before": 0, "percent": 25}
    assert store.read().states[ENDPOINT].percent == 25


def test_rollback_hold_and_resume_do_what_the_commands_do(
    order: Callable[..., TestResponse], store: Store
) -> None:
    order("set")
    for name, status in (("hold", "held"), ("rollback", "rolled_back"), ("resume", "active")):
        response = order(name)
        assert (response.status_code, response.get_json()["changed"]) == (200, True)
        assert response.get_json()["state"]["status"] == status
        assert response.get_json()["state"]["percent"] == 25
    kinds = [event.kind.value for event in store.events(ENDPOINT)]
    assert kinds == ["resume", "rollback", "hold", "set"]
    assert {event.by for event in store.events(ENDPOINT)} == {"token:alice"}


def test_without_an_endpoint_all_of_them_are_rolled_back(
    client: FlaskClient, bearers: Bearers, look: Callable[..., TestResponse]
) -> None:
    response = client.post(
        f"{BASE}/rollback", json={"reason": "night"}, headers=bearing(bearers.operator)
    )
    assert response.get_json()["state"]["endpoint"] == DEFAULT
    found = look().get_json()["endpoints"]
    assert len(found) == 8
    assert {each["state"]["status"] for each in found} == {"rolled_back"}


def test_a_rollback_to_a_percent_lowers_and_raises_nothing(
    order: Callable[..., TestResponse], store: Store
) -> None:
    order("set", percent=25)
    lowered = order("rollback", to=10).get_json()
    assert (lowered["state"]["percent"], lowered["state"]["status"]) == (10, "active")
    again = order("rollback", to=20).get_json()
    assert (again["changed"], again["state"]["percent"]) == (False, 10)
    assert [event.kind for event in store.events()] == [EventKind.SET, EventKind.SET]


def test_without_an_endpoint_all_of_them_are_lowered(
    order: Callable[..., TestResponse], store: Store
) -> None:
    order("set", endpoint=DEFAULT, percent=5)
    order("set", percent=25)
    order("set", endpoint="cameras.cameras", percent=7)
    response = order("rollback", endpoint=DEFAULT, to=10, expected_epoch=1).get_json()
    assert (response["changed"], response["state"]["endpoint"]) == (True, DEFAULT)
    assert response["cautions"] == [
        "the environment pins statistics.daily to 10%: no stored percent applies"
    ]
    percents = {name: state.percent for name, state in store.read().states.items()}
    assert percents == {DEFAULT: 5, ENDPOINT: 10, "cameras.cameras": 7}


def test_what_is_so_already_is_left_alone(order: Callable[..., TestResponse], store: Store) -> None:
    order("rollback")
    again = order("rollback", reason="again")
    assert (again.status_code, again.get_json()["changed"]) == (200, False)
    assert again.get_json()["state"]["reason"] == "wrong totals"
    assert len(store.events()) == 1


def test_an_order_says_why_its_percent_does_not_apply(
    order: Callable[..., TestResponse],
) -> None:
    pinned = order("set", endpoint="statistics.daily")
    assert "the environment pins statistics.daily to 10%" in pinned.get_json()["cautions"][0]
    order("rollback")
    assert "rolled back" in order("set").get_json()["cautions"][0]


def test_an_order_that_was_based_on_another_state_is_refused(
    order: Callable[..., TestResponse], store: Store, url: str
) -> None:
    assert order("set", expected_epoch=0).status_code == 200
    before, states = audit(url), store.read().states
    for name in ORDERS:
        detail = is_problem(order(name, expected_epoch=0), 409)["detail"]
        assert f"just changed {ENDPOINT}: nothing was done" in detail
    assert (audit(url), store.read().states) == (before, states)
    assert order("rollback", expected_epoch=1).status_code == 200


def test_what_is_held_is_not_raised(order: Callable[..., TestResponse], store: Store) -> None:
    order("hold")
    refused = is_problem(order("set"), 409)
    assert refused["detail"] == f"{ENDPOINT} is held: it cannot be raised until `resume`"
    assert store.read().states[ENDPOINT].percent == 0


def test_an_order_that_loses_a_race_is_refused(
    order: Callable[..., TestResponse], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another operator's change is stored between the reading of the state and the writing."""
    read = store.read

    def read_and_be_overtaken() -> Any:
        found = read()
        store.write(RolloutState(endpoint=ENDPOINT, percent=1), EventKind.SET, {})
        return found

    monkeypatch.setattr(store, "read", read_and_be_overtaken)
    is_problem(order("set"), 409)
    assert read().states[ENDPOINT].percent == 1


@pytest.mark.parametrize(
    ("name", "members", "parameter"),
    [
        ("set", {"percent": 101}, "percent"),
        ("set", {"percent": -0.1}, "percent"),
        ("set", {"percent": "25"}, "percent"),
        ("set", {"percent": True}, "percent"),
        ("set", {"percent": None}, "percent"),
        ("set", {"percent": float("nan")}, "percent"),
        ("set", {"percent": 10**400}, "percent"),
        ("set", {"endpoint": "records.violations"}, "endpoint"),
        ("set", {"endpoint": "\ud800"}, "endpoint"),
        ("hold", {"reason": ""}, "reason"),
        ("hold", {"reason": None}, "reason"),
        ("hold", {"reason": "x" * 501}, "reason"),
        ("hold", {"reason": "two\nlines"}, "reason"),
        ("hold", {"reason": f"my token is {token_format.new_token()}"}, "reason"),
        ("hold", {"expected_epoch": "1"}, "expected_epoch"),
        ("hold", {"expected_epoch": 1.5}, "expected_epoch"),
        ("hold", {"expected_epoch": True}, "expected_epoch"),
        ("hold", {"expected_epoch": -1}, "expected_epoch"),
        ("hold", {"expected_epoch": 2**63}, "expected_epoch"),
        ("hold", {"expectedEpoch": 1}, "expectedEpoch"),
        ("rollback", {"percent": 5}, "percent"),
        ("rollback", {"to": 100.5}, "to"),
        ("rollback", {"to": "10"}, "to"),
        ("rollback", {"\ud800": 5}, "?"),
    ],
    ids=lambda value: str(value).partition("dapi_")[0][:40].encode(errors="replace").decode(),
)
def test_what_cannot_be_understood_is_named_and_nothing_is_done(
    order: Callable[..., TestResponse],
    store: Store,
    name: str,
    members: dict[str, Any],
    parameter: str,
) -> None:
    problem = is_problem(order(name, **members), 422)
    assert list(problem["errors"]) == [parameter]
    assert "dapi_" not in str(problem)
    assert store.read().states == {}
    assert store.events() == []


@pytest.mark.parametrize("name", ["rollback", "hold", "resume"])
def test_a_reason_is_asked_for_where_the_command_asks_for_one(
    client: FlaskClient, bearers: Bearers, name: str
) -> None:
    response = client.post(f"{BASE}/{name}", json={}, headers=bearing(bearers.operator))
    assert is_problem(response, 422)["errors"] == {"reason": ["Missing data for required field."]}


def test_a_percent_is_set_without_a_reason(order: Callable[..., TestResponse]) -> None:
    body = {"percent": 5.5, "endpoint": ENDPOINT}
    response = order("set", **body)
    assert response.get_json()["state"]["percent"] == 5.5


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[1]", "application/json", 422),
        (b'{"reason": "r"}', "application/x-www-form-urlencoded", 415),
        (b'{"reason": "r"}', None, 415),
    ],
    ids=["torn", "no text", "a list", "curl -d alone", "no type"],
)
def test_a_body_that_is_no_order_is_refused(
    client: FlaskClient,
    bearers: Bearers,
    store: Store,
    body: bytes,
    content_type: str | None,
    status: int,
) -> None:
    response = client.post(
        f"{BASE}/rollback",
        data=body,
        content_type=content_type,
        headers=bearing(bearers.operator),
    )
    detail = is_problem(response, status)["detail"]
    assert ("Content-Type: application/json" in detail) is (status == 415)
    assert store.read().states == {}


def test_a_request_that_an_operator_made_is_in_the_log_with_the_tokens_name(
    order: Callable[..., TestResponse], caplog: pytest.LogCaptureFixture, bearers: Bearers
) -> None:
    order("rollback")
    (line,) = (line for line in logged(caplog) if line["event"] == "request")
    assert line["operator"] == "alice"
    assert bearers.operator not in caplog.text


# How things stand


def test_the_state_is_what_the_status_command_prints(
    order: Callable[..., TestResponse],
    look: Callable[..., TestResponse],
    store: Store,
    app: Flask,
    url: str,
) -> None:
    order("set")
    order("rollback", endpoint=DEFAULT)
    assert look().get_json()["run"] is None
    begun = begin(store, Plan(endpoints={ENDPOINT: 25.0}), by="ann", reason="release")
    store.flush(heartbeat("w1", epochs={ENDPOINT: 0, DEFAULT: 1}), 1, batch(requests=1), 0)
    found = look().get_json()
    with app.app_context():
        runtime = canary.runtime
    states, workers = store.read().states, store.workers()
    told = overview(states, workers, runtime.endpoints, runtime.overrides, latest(store))
    as_command = json.loads(msgspec.json.encode(told))
    for each in (*found["workers"], *as_command["workers"]):
        assert each.pop("silent") >= 0
    assert found == as_command
    assert found["workers"][0]["behind"] == [ENDPOINT]
    assert (found["run"]["run"], found["run"]["is_over"]) == (begun.id, False)
    assert not found["run"]["is_driven"]
    with another_controller(url):
        assert look().get_json()["run"]["is_driven"]
    assert found["run"]["endpoints"][0]["endpoint"] == ENDPOINT
    daily = next(e for e in found["endpoints"] if e["state"]["endpoint"] == "statistics.daily")
    assert (daily["pinned"], daily["follows_default"]) == (10, True)
    assert daily["state"]["status"] == Status.ROLLED_BACK.value


def test_events_are_read_page_by_page_though_new_ones_come_meanwhile(
    look: Callable[..., TestResponse], store: Store
) -> None:
    written = [
        store.append(
            RolloutEvent(endpoint=ENDPOINT, kind=EventKind.WARN, by="fleet", reason=str(n))
        )
        for n in range(25)
    ]
    pages: list[list[str]] = []
    before: dict[str, int] = {}
    while True:
        page = look("/events", limit=10, **before).get_json()
        pages.append([event["reason"] for event in page["events"]])
        store.append(RolloutEvent(endpoint=ENDPOINT, kind=EventKind.WARN, by="fleet", reason="new"))
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [*itertools.chain(*pages)] == [str(n) for n in range(24, -1, -1)]
    exactly = look("/events", limit=5, before=written[5].id).get_json()
    assert (len(exactly["events"]), exactly["next"]) == (5, None)


def test_events_are_read_by_endpoint_and_by_run(
    look: Callable[..., TestResponse], store: Store
) -> None:
    start = store.append(RolloutEvent(endpoint=DEFAULT, kind=EventKind.START, by="c", reason=""))
    store.append(
        RolloutEvent(endpoint=ENDPOINT, kind=EventKind.STAGE, by="c", reason="10%", run=start.id)
    )
    store.append(RolloutEvent(endpoint=ENDPOINT, kind=EventKind.WARN, by="fleet", reason=""))
    kinds = [event["kind"] for event in look("/events", endpoint=ENDPOINT).get_json()["events"]]
    assert kinds == ["warn", "stage"]
    kinds = [event["kind"] for event in look("/events", run=start.id).get_json()["events"]]
    assert kinds == ["stage", "start"]


def test_the_ledger_is_told_by_endpoint_and_arm_over_time(
    look: Callable[..., TestResponse], store: Store
) -> None:
    counts = {"requests": 3, "errors": 1, "timeouts": 1, "outages": 1, "compared": 2}
    first = batch(**counts)
    first.tally(ENDPOINT, "domain").latency = latencies(0.01, 0.02, 0.2)
    first.tally(ENDPOINT, "legacy").fallbacks = 1
    store.flush(heartbeat(), 1, first, 600)
    store.flush(heartbeat(), 2, batch(requests=5), 1800)
    store.flush(heartbeat(), 3, batch(requests=7), 7200)
    found = look("/ledger", endpoint=ENDPOINT, resolution=600).get_json()
    assert (found["resolution"], len(found["series"])) == (600, 2)
    domain, legacy = found["series"]
    assert (domain["endpoint"], domain["arm"], legacy["arm"]) == (ENDPOINT, "domain", "legacy")
    old, new = domain["points"]
    assert (old["requests"], new["requests"]) == (5, 3), "the last hour alone"
    assert new["failures"] == 2
    assert new["failures_by_cause"] == {"error": 1, "timeout": 1, "contract": 0, "death": 0}
    assert (new["outages"], new["compared"]) == (1, 2)
    assert new["latency"]["count"] == 3
    assert new["latency"]["p50_ms"] == pytest.approx(20, rel=0.06)
    assert new["latency"]["p99_ms"] == pytest.approx(200, rel=0.06)
    assert old["latency"] == {"count": 0, "p50_ms": None, "p95_ms": None, "p99_ms": None}
    assert legacy["points"][0]["fallbacks"] == 1
    begins = [datetime.fromisoformat(point["begins"]) for point in domain["points"]]
    assert all(moment.timestamp() % 600 == 0 for moment in begins)
    assert datetime.fromisoformat(found["start_time"]).timestamp() % 600 == 0
    everything = look(
        "/ledger", resolution=3600, start_time=ago(hours=3), end_time=ago()
    ).get_json()
    total = sum(p["requests"] for s in everything["series"] for p in s["points"])
    assert total == 15
    assert look("/ledger", endpoint="cameras.cameras").get_json()["series"] == []


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat()


@pytest.mark.parametrize(
    ("parameters", "parameter"),
    [
        ({"resolution": 15}, "resolution"),
        ({"resolution": 5}, "resolution"),
        ({"resolution": 86_410}, "resolution"),
        ({"resolution": 10, "start_time": ago(days=0.5)}, "resolution"),
        ({"resolution": 86_400, "start_time": ago(days=1.1)}, "start_time"),
        ({"resolution": 86_400, "start_time": ago(days=8), "endpoint": ENDPOINT}, "start_time"),
        ({"start_time": ago(), "end_time": ago(hours=1)}, "end_time"),
        ({"endpoint": "nothing"}, "endpoint"),
    ],
    ids=[
        "no multiple of a bucket",
        "less than a bucket",
        "more than a day",
        "too many points",
        "too long ago for a day's",
        "too long ago for an endpoint's",
        "an end before the start",
        "an unknown endpoint",
    ],
)
def test_a_part_of_the_ledger_that_is_too_large_is_refused(
    look: Callable[..., TestResponse], parameters: dict[str, Any], parameter: str
) -> None:
    assert list(is_problem(look("/ledger", **parameters), 422)["errors"]) == [parameter]


def test_a_week_of_one_endpoint_may_be_read(look: Callable[..., TestResponse]) -> None:
    week = {"resolution": 600, "start_time": ago(days=6.9), "endpoint": ENDPOINT}
    assert look("/ledger", **week).status_code == 200


def test_a_window_at_the_beginning_of_time_is_empty(look: Callable[..., TestResponse]) -> None:
    assert look("/ledger", end_time="0001-01-01T00:00:00Z").get_json()["series"] == []


def test_mismatches_are_told_the_most_frequent_first(
    look: Callable[..., TestResponse], store: Store
) -> None:
    sample = {"request_id": "r1", "domain": "int", "legacy": "float"}
    store.flush(heartbeat(), 1, mismatches(2, sample), 0)
    store.flush(heartbeat(), 2, mismatches(5, path="$.id"), 0)
    found = look("/mismatches").get_json()["mismatches"]
    assert [(m["path"], m["count"]) for m in found] == [("$.id", 5), ("$.fps", 2)]
    assert found[1]["samples"] == [sample]
    assert found[1]["kind"] == "type"
    assert len(look("/mismatches", limit=1).get_json()["mismatches"]) == 1
    assert look("/mismatches", endpoint="statistics.daily").get_json()["mismatches"] == []


# The description


def test_every_route_documents_its_token_and_its_refusals(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()
    scheme = document["components"]["securitySchemes"]["operatorToken"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    found = {path: item for path, item in document["paths"].items() if path.startswith(BASE)}
    assert set(found) == {BASE + path for path in READS} | {f"{BASE}/{name}" for name in ORDERS}
    for path, item in found.items():
        name = path.rpartition("/")[2]
        operation = item["post" if name in ORDERS else "get"]
        assert operation["security"] == [{"operatorToken": []}]
        assert set(operation["responses"]) >= {"200", "401", "403", "429", "503"}
        role = "operator" if name in ORDERS else "viewer"
        assert f"Needs a token of role {role}." in operation["description"]
        if name in ORDERS:
            assert set(operation["responses"]) >= {"400", "409", "415", "422"}
    assert "security" not in document["paths"]["/api/v1/cameras"]["get"]


@pytest.fixture(scope="module")
def schema(url: str, bearers: Bearers) -> Iterator[Any]:
    """The description of an application in which a minute goes by between two wrong tokens."""
    assert bearers, "before the application first looks for them"
    made, pool = create_app({"DATABASE_URL": url}), pool_of(url)
    minutes = itertools.count(step=60.0)
    auth.init_app(made, Tokens(pool.connection), Throttle(clock=lambda: next(minutes)))
    yield schemathesis.openapi.from_wsgi("/openapi.json", made)
    canary.stop(made)
    pool.dispose()


CALLS = [("GET", BASE + path) for path in READS] + [("POST", f"{BASE}/{name}") for name in ORDERS]


@pytest.mark.parametrize("mode", GenerationMode, ids=["valid input", "invalid input"])
@pytest.mark.parametrize(("method", "path"), CALLS, ids=lambda text: text.rpartition("/")[2])
def test_no_request_gets_what_the_description_does_not_allow(
    schema: Any, bearers: Bearers, method: str, path: str, mode: GenerationMode
) -> None:
    """No 5xx, no undocumented status or body, no bad input accepted, no good one refused."""

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=ALL)
    @given(schema[path][method].as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case[Any]) -> None:
        if mode is GenerationMode.POSITIVE:
            _mend(case)
        assert case.meta is not None
        headers = case.meta.components.get(ParameterLocation.HEADER)
        has_none = headers is not None and headers.mode is GenerationMode.NEGATIVE
        case.call_and_validate(headers={} if has_none else bearing(bearers.operator))

    check()


def _mend(case: schemathesis.Case[Any]) -> None:
    """What no description can express: which endpoints there are, and which windows."""
    for given_ in (case.query, case.body):
        if isinstance(given_, dict) and "endpoint" in given_:
            given_["endpoint"] = ENDPOINT
    if isinstance(case.body, dict):
        case.body.pop("expected_epoch", None)
    if case.path.endswith("/ledger"):
        case.query.pop("start_time", None)
