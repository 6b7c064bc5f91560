"""What the pages show, live and while PostgreSQL is away."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import pytest
from flask.testing import FlaskClient

from detection_api.canary.state.ledger import Tally
from detection_api.canary.state.store import Store
from detection_api.canary.state.types import DEFAULT, EventKind, RolloutEvent
from detection_api.rollout.run import Plan, evidence
from tests.canary.stores import ENDPOINT, batch, heartbeat, mismatches
from tests.console.conftest import HERE, LogIn, csrf_of, give
from tests.rollout.controllers import another_controller

LIVE = {"Accept": "application/json"}
PAGE = f"/console/endpoints/{ENDPOINT}"


@pytest.fixture
def client(log_in: LogIn, operator: str) -> FlaskClient:
    return log_in(operator)


@contextmanager
def away(client: FlaskClient) -> Iterator[None]:
    """PostgreSQL does not answer the console, which has to look again."""
    console = client.application.extensions["console"]

    def fail() -> None:
        raise psycopg2.OperationalError("gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console.store, "_connection", fail)
        patch.setattr(console.sessions, "_connect", fail)
        console.forget()
        yield
    console.forget()


def test_the_overview_has_everything_of_every_endpoint(client: FlaskClient, store: Store) -> None:
    counted = batch(requests=20, errors=3, compared=9, mismatched=2)
    counted.tallies[ENDPOINT, "legacy"] = Tally(fallbacks=3)
    store.flush(heartbeat("host:1:abc"), 1, counted, 0)
    give(client, "set", ENDPOINT, percent="25")
    page = " ".join(client.get("/console/").text.split())
    for words in (
        *("25%", "<b>3</b> (15%)", "errors 3 · 3 answered by legacy", "domain 85%"),
        *("<b>2</b></span> <small>/ 9</small>", "host:1:abc", "token:night", "Roll back all"),
    ):
        assert words in page


def test_an_open_page_gets_no_more_than_what_has_changed(client: FlaskClient) -> None:
    first = client.get("/console/", headers=LIVE).json
    assert first is not None
    assert set(first["sections"]) == {
        *("banner", "attention", "endpoints", "run", "chart", "workers", "events")
    }
    have = ",".join(first["versions"].values())
    again = client.get("/console/", headers=LIVE | {"Console-Have": have}).json
    assert again is not None
    assert set(again["sections"]) <= {"banner"}, "which has the time"
    give(client, "hold", ENDPOINT)
    changed = client.get("/console/", headers=LIVE | {"Console-Have": have}).json
    assert changed is not None
    assert {"endpoints", "events"} <= set(changed["sections"])
    assert "chart" not in changed["sections"]


def test_an_endpoints_page_has_samples_of_its_mismatches(client: FlaskClient, store: Store) -> None:
    sample = {"request_id": "r-1", "at": "$.fps", "legacy": "<b>", "domain": None}
    store.flush(heartbeat(), 1, mismatches(3, sample), 0)
    page = client.get(PAGE).text
    assert "domain <code>null</code>, legacy <code>&#34;&lt;b&gt;&#34;</code>" in page
    assert "r-1" in page


def test_a_run_under_way_is_shown_with_how_far_each_endpoint_is(
    client: FlaskClient, store: Store, database: str
) -> None:
    plan = Plan(endpoints={ENDPOINT: 0.0, "cameras.cameras": 0.0}, stages=(10, 100))
    start = store.append(
        RolloutEvent(
            endpoint=DEFAULT,
            kind=EventKind.START,
            by="night",
            reason="go",
            evidence=evidence(plan),
        )
    )
    stage = RolloutEvent(
        endpoint=ENDPOINT,
        kind=EventKind.STAGE,
        by="night",
        reason="",
        evidence={"stage": 1},
        run=start.id,
    )
    store.append(stage)
    with another_controller(database):
        page = client.get("/console/").text
    assert f"Run {start.id} is in progress, started by night" in page
    assert "10% → 100%" in page
    assert "at 10%" in page
    assert "waiting for 10%" in page
    client.application.extensions["console"].forget()
    page = client.get("/console/").text
    assert "has not ended, but no controller drives it" in page
    assert "10% → 100%" in page
    store.append(
        RolloutEvent(endpoint=DEFAULT, kind=EventKind.END, by="night", reason="over", run=start.id)
    )
    client.application.extensions["console"].forget()
    page = client.get("/console/").text
    assert f"Run {start.id} ended" in page
    assert client.get("/console/").text


@pytest.mark.parametrize("path", ["/console/", PAGE])
def test_while_the_store_is_away_the_last_known_state_is_shown_with_its_age(
    client: FlaskClient, path: str
) -> None:
    give(client, "set", ENDPOINT, percent="33")
    client.get(path)
    with away(client):
        page = client.get(path).text
        assert "PostgreSQL does not answer." in page
        assert "This is the last known state, from" in page
        assert "33%" in page
    assert "PostgreSQL does not answer." not in client.get(path).text


def test_while_the_store_is_away_an_order_says_that_it_was_not_carried_out(
    client: FlaskClient, store: Store
) -> None:
    csrf = csrf_of(client)
    with away(client):
        form = {"csrf": csrf, "reason": "now"}
        answer = client.post("/console/rollback/*", data=form, headers=HERE)
        assert answer.status_code == 503
        assert "USE_DOMAIN_SERVICE=false" in answer.text
    assert store.read().states == {}


def test_a_worker_that_never_read_anything_says_so_and_takes_nothing_off_an_open_page(
    client: FlaskClient,
) -> None:
    client.application.extensions["console"].sessions.find(
        client.get_cookie("detection_api_console", path="/console/").value  # type: ignore[union-attr]
    )
    with away(client):
        assert "No data yet." in client.get("/console/").text
        live = client.get("/console/", headers=LIVE).json
    assert live is not None
    assert set(live["sections"]) == {"banner"}


def test_who_is_not_known_while_the_store_is_away_gets_a_page_that_tries_again(
    client: FlaskClient,
) -> None:
    with away(client):
        client.application.extensions["console"].sessions.forget()
        answer = client.get("/console/")
    assert answer.status_code == 503
    assert '<meta http-equiv="refresh" content="3">' in answer.text
    assert "PostgreSQL does not answer" in answer.text


def test_nobody_can_log_in_while_the_store_is_away(client: FlaskClient, operator: str) -> None:
    with away(client):
        answer = client.post("/console/login", data={"token": operator}, headers=HERE)
    assert answer.status_code == 503
    assert "tokens cannot be checked" in answer.text
