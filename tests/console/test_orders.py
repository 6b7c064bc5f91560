"""What operators can do in the console."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from detection_api.canary.state.store import Store
from detection_api.canary.state.types import EventKind, RolloutState, Status
from tests.console.conftest import HERE, LogIn, csrf_of, give

NAME = "statistics.daily"


@pytest.fixture
def client(log_in: LogIn, operator: str) -> FlaskClient:
    return log_in(operator)


def state(store: Store, name: str = NAME) -> RolloutState:
    return store.read().states[name]


def test_an_order_is_carried_out_and_told_by_its_event(client: FlaskClient, store: Store) -> None:
    form = {"csrf": csrf_of(client), "reason": "stage 2", "percent": "25"}
    answer = client.post(f"/console/set/{NAME}", data=form, headers=HERE)
    assert answer.location == f"/console/?changed={NAME}&epoch=1"
    (event, *_) = store.events(NAME)
    assert (event.kind, event.by, event.reason) == (EventKind.SET, "token:night", "stage 2")
    assert event.evidence == {"percent": 25, "percent_before": 0}
    page = client.get(answer.location).text
    assert "Done: set, statistics.daily, by token:night." in page


def test_everything_can_be_rolled_back_at_once(client: FlaskClient, store: Store) -> None:
    assert give(client, "rollback", "*")[0] == 303
    assert state(store, "*").status is Status.ROLLED_BACK


def test_hold_and_resume_keep_the_percent(client: FlaskClient, store: Store) -> None:
    give(client, "set", NAME, percent="10")
    give(client, "hold", NAME)
    assert (state(store).status, state(store).percent) == (Status.HELD, 10)
    give(client, "resume", NAME)
    assert (state(store).status, state(store).percent) == (Status.ACTIVE, 10)


def test_what_is_held_is_not_raised(client: FlaskClient, store: Store) -> None:
    give(client, "set", NAME, percent="10")
    give(client, "hold", NAME)
    status, page = give(client, "set", NAME, percent="11")
    assert status == 409
    assert "the percentage is on hold" in page
    assert (state(store).status, state(store).percent) == (Status.HELD, 10)


@pytest.mark.parametrize(
    ("action", "fields", "said"),
    [
        ("set", {"percent": "101"}, "must be a number from 0 to 100"),
        ("set", {"percent": "nan"}, "must be a number from 0 to 100"),
        ("set", {"percent": ""}, "must be a number from 0 to 100"),
        ("rollback", {"reason": "  "}, "Enter a reason"),
        ("hold", {"reason": "x" * 501}, "Enter a reason"),
        ("resume", {}, "This is already the case"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    client: FlaskClient, store: Store, action: str, fields: dict[str, str], said: str
) -> None:
    status, page = give(client, action, NAME, **fields)
    assert status == 422
    assert said in page
    assert store.read().states == {}


@pytest.mark.parametrize("action", ["rollback", "set", "hold", "resume"])
def test_a_viewer_sees_everything_and_changes_nothing(
    log_in: LogIn, viewer: str, store: Store, action: str
) -> None:
    client = log_in(viewer)
    page = client.get("/console/").text
    assert NAME in page
    assert "Roll back" not in page
    assert client.get(f"/console/{action}/{NAME}").status_code == 403
    assert give(client, action, NAME, percent="10")[0] == 403
    assert store.read().states == {}


@pytest.mark.parametrize(("action", "status"), [("set", 409), ("hold", 409), ("rollback", 303)])
def test_who_has_seen_an_older_state_is_told_unless_it_is_a_rollback(
    client: FlaskClient, store: Store, action: str, status: int
) -> None:
    give(client, "set", NAME, percent="10")
    found, page = give(client, action, NAME, percent="30", epoch="0")
    assert found == status
    assert ("Someone else has just changed this" in page) == (status == 409)
    assert state(store).percent == 10


def test_a_question_is_about_what_is_so_now_whatever_was_shown_last(
    client: FlaskClient, store: Store
) -> None:
    client.get("/console/")
    set_ = RolloutState(endpoint=NAME, percent=20, by="ann")
    store.write(set_, EventKind.SET, {})
    page = client.get(f"/console/set/{NAME}").text
    assert "Now: 20%" in page
    store.write(replace(state(store), percent=30), EventKind.SET, {})
    status, page = give(client, "set", NAME, percent="40", epoch="1")
    assert status == 409
    assert "Now: 30%" in page
    assert '<input type="hidden" name="epoch" value="2">' in page
    assert give(client, "set", NAME, percent="40", epoch="2")[0] == 303


def test_the_question_carries_the_state_that_is_seen(client: FlaskClient) -> None:
    give(client, "set", NAME, percent="10")
    assert '<input type="hidden" name="epoch" value="1">' in client.get(f"/console/set/{NAME}").text


@pytest.mark.parametrize(
    ("before", "question", "said"),
    [
        (f"rollback/{NAME}", f"set/{NAME}", "applies after a resume"),
        (f"hold/{NAME}", "set/*", f"keep their own percentage: {NAME}"),
        ("rollback/*", f"resume/{NAME}", "stays so until all endpoints are resumed too"),
    ],
)
def test_a_question_says_what_stands_against_it(
    client: FlaskClient, before: str, question: str, said: str
) -> None:
    give(client, *before.split("/"))
    assert said in client.get(f"/console/{question}").text
