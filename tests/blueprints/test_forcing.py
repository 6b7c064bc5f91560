"""Where FORCE_DOMAIN asks for a token, those who show one choose the arm, and stay on one side."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import Schema, fields

from detection_api import app as application
from detection_api import create_app, token_format
from detection_api.canary.serving import cohort
from detection_api.dev.embedded import EmbeddedPostgres
from detection_api.extensions import canary
from detection_api.models.tokens import Role
from detection_api.services.tokens import Tokens
from detection_api.web.openapi import Blueprint
from tests.canary.stores import pool_of

GREETING = "/greeting"
ENDPOINT = "toys.greeting"


class Greeting(Schema):
    text = fields.String(required=True)


def toy() -> Blueprint:
    """An endpoint with both arms, whichever migrations of the application are finished."""
    blueprint = Blueprint("toys", __name__)

    def greeting() -> None:
        """Greet."""

    serve = canary(domain=lambda: {"text": "hi"}, legacy=lambda: {"text": "hi"}, schema=Greeting)
    blueprint.get(GREETING)(blueprint.response(200)(serve(greeting)))
    return blueprint


@pytest.fixture(autouse=True, scope="module")
def _with_toy() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(application, "BLUEPRINTS", (*application.BLUEPRINTS, toy()))
        yield


@pytest.fixture(scope="module")
def tokens(world: dict[str, str]) -> Iterator[dict[Role, str]]:
    """A token of each role, `operator-here` and `viewer-here`."""
    pool = pool_of(world["DATABASE_URL"])
    made = Tokens(pool.connection)
    yield {role: made.create(f"{role.value}-here", role, by="test") for role in Role}
    for role in Role:
        made.revoke(f"{role.value}-here", by="test", reason="")
    pool.dispose()


@pytest.fixture(scope="module")
def app(world: dict[str, str], tokens: dict[Role, str], _with_toy: None) -> Iterator[Flask]:
    assert tokens, "before the application first looks for them"
    made = create_app({**world, "FORCE_DOMAIN": "token", "ROLLOUT_PERCENT": "50"})
    canary.start(made, within=10)
    yield made
    canary.stop(made)


def who(client: FlaskClient, token: str | None, path: str = GREETING, **headers: str) -> str:
    """Who answered a request that shows this token."""
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    response = client.get(path, headers=headers)
    assert response.status_code == 200
    return response.headers["X-Canary"]


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
@pytest.mark.parametrize(("word", "arm"), [("true", "domain"), ("false", "legacy")])
def test_the_bearer_of_a_token_chooses_the_arm(
    client: FlaskClient, tokens: dict[Role, str], role: Role, word: str, arm: str
) -> None:
    assert who(client, tokens[role], f"{GREETING}?force_domain={word}") == f"{arm}; reason=forced"


@pytest.mark.parametrize(
    "token", [None, "", "other", token_format.new_token()], ids=["none", "empty", "other", "new"]
)
def test_nobody_else_does_and_is_served_all_the_same(
    client: FlaskClient, token: str | None
) -> None:
    for word in ("true", "false"):
        said = who(client, token, f"{GREETING}?force_domain={word}")
        assert "reason=forced" not in said


def test_a_bearer_stays_on_the_side_of_the_tokens_name(
    client: FlaskClient, tokens: dict[Role, str]
) -> None:
    expected = {
        role: "domain; reason=rollout"
        if cohort.is_in(ENDPOINT, f"{role.value}-here", 50)
        else "legacy; reason=holdout"
        for role in Role
    }
    assert len(set(expected.values())) == 2, "names on both sides"
    for role, side in expected.items():
        assert {who(client, tokens[role]) for _ in range(10)} == {side}


def test_a_client_id_goes_before_the_tokens_name(
    client: FlaskClient, tokens: dict[Role, str]
) -> None:
    inside, outside = (
        next(f"c{n}" for n in range(99) if cohort.is_in(ENDPOINT, f"c{n}", 50) is side)
        for side in (True, False)
    )
    for role in Role:
        headers = {"X-Client-Id": inside}
        assert who(client, tokens[role], **headers) == "domain; reason=rollout"
        headers = {"X-Client-Id": outside}
        assert who(client, tokens[role], **headers) == "legacy; reason=holdout"


def test_a_request_id_that_is_a_token_is_not_taken(client: FlaskClient) -> None:
    token = token_format.new_token()
    response = client.get(GREETING, headers={"X-Request-ID": token})
    assert token not in str(response.headers)


def test_while_tokens_cannot_be_read_no_wish_is_granted_and_nobody_gets_an_error(
    world: dict[str, str], tokens: dict[Role, str], postgres: EmbeddedPostgres
) -> None:
    """Legacy answers without PostgreSQL."""
    away = create_app(
        {**world, "FORCE_DOMAIN": "token", "DATABASE_URL": "postgresql://127.0.0.1:1/x"}
    )
    try:
        said = who(away.test_client(), tokens[Role.OPERATOR], f"{GREETING}?force_domain=true")
        assert said.startswith("legacy; reason=")
        assert "forced" not in said
    finally:
        canary.stop(away)
