"""The rollout of an application tells operators which command to type."""

from contextlib import nullcontext

import pytest
from flask import Flask

from detection_api.canary import CanarySettings, MemoryStore
from detection_api.rollout.extension import NoRolloutError, Rollout, rollout_of


def rollout(program: str | None) -> Rollout:
    return Rollout(
        database_url="postgresql://",
        connect=nullcontext,
        store=MemoryStore(),
        endpoints=(),
        settings=CanarySettings.from_environ({}),
        program=program,
    )


@pytest.mark.parametrize(
    ("program", "line", "typed"),
    [
        (None, "rollout status", "flask rollout status"),
        (None, "tokens list", "flask rollout tokens list"),
        ("detection-api", "rollout status", "detection-api rollout status"),
        ("detection-api", "tokens list", "detection-api tokens list"),
    ],
)
def test_a_command_is_named_as_the_application_has_it(
    program: str | None, line: str, typed: str
) -> None:
    assert rollout(program).command(line) == typed


def test_an_application_without_a_rollout_is_an_error() -> None:
    with pytest.raises(NoRolloutError, match=r"call operations\.init_app"):
        rollout_of(Flask("plain"))


def test_the_rollout_of_the_current_application_is_found() -> None:
    app = Flask("shop")
    app.extensions["rollout"] = made = rollout(None)
    with app.app_context():
        assert rollout_of() is made
