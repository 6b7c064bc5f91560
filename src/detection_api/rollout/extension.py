"""The rollout of one Flask application, as the console, the HTTP API and the commands find it."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app

from detection_api.canary.serving import CanarySettings
from detection_api.canary.state import Store
from detection_api.rollout.lock import is_held

FLASK_GROUP = "flask rollout"
"""The command group that every Flask application has once this package is installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The store, endpoints and settings of one application, for its operators.

    `connect` gives connections that only operators use, and `store` is the canary's store over
    them: a client's request never waits for an operator. `endpoints` are those that the canary
    serves. `program` is a command that has every subcommand; without one it is FLASK_GROUP.
    """

    database_url: str
    connect: Callable[[], AbstractContextManager[Any]]
    store: Store
    endpoints: Collection[str]
    settings: CanarySettings
    program: str | None = None

    def is_driven(self) -> bool:
        """Return whether a controller of rollout runs is at work, on any host."""
        return is_held(self.connect)

    def command(self, line: str) -> str:
        """Return the command to type for `line`, such as `rollout status` or `tokens list`."""
        if self.program is not None:
            return f"{self.program} {line}"
        return f"{FLASK_GROUP} {line.removeprefix('rollout ')}"


class NoRolloutError(Exception):
    """The application has no rollout: `operations.init_app` was not called."""


def rollout_of(app: Flask | None = None) -> Rollout:
    """Return the rollout of `app`, or of the current application.

    Raises NoRolloutError if `operations.init_app` was not called for it.
    """
    found: Rollout | None = (app or current_app).extensions.get("rollout")
    if found is None:
        raise NoRolloutError("this application has no rollout: call operations.init_app(app, ...)")
    return found
