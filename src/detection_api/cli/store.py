"""Commands that work on the canary's store: connections, options and errors."""

import getpass
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import click
from flask.cli import AppGroup

from detection_api.canary.serving import CanarySettings
from detection_api.canary.state import DEFAULT, StaleEpochError, Store
from detection_api.canary.state.postgres import PostgresStore
from detection_api.cli.environment import clear_database_errors
from detection_api.db import Pool
from detection_api.errors import ConflictError, DeadlineExceededError
from detection_api.rollout.extension import NoRolloutError, rollout_of
from detection_api.rollout.lock import SESSION_SETTINGS as LOCK_SETTINGS
from detection_api.rollout.lock import AnotherControllerError, PostgresLock

DEADLINE = 10.0
"""Seconds that one statement may take; a server is often busy when a rollback is needed."""


class StoreGroup(AppGroup):
    """Commands that work on the canary's store. An expected error prints one line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            with clear_database_errors():
                return super().invoke(ctx)
        except (DeadlineExceededError, ConflictError, NoRolloutError) as error:
            raise click.ClickException(str(error)) from error
        except AnotherControllerError as error:
            raise click.ClickException(
                "another controller is running: `detection-api rollout status` shows its run"
            ) from error
        except StaleEpochError as error:
            raise click.ClickException(
                f"{error} was changed at the same moment by somebody else: this command did not"
                " change it; see `detection-api rollout status`"
            ) from error


def login() -> str:
    """Return the name of the user who runs this command, or `uid N` if the user has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user often has no name
        return f"uid {os.getuid()}"


BY = click.option(
    "--by", default=login, show_default="your login name", help="Your name, for the audit."
)


def open_store() -> Store:
    """Open the fleet's store until the command ends."""
    return PostgresStore(open_pool().connection)


def open_lock() -> PostgresLock:
    """Open the lock that only one controller can hold, until the command ends."""
    return PostgresLock(open_pool(LOCK_SETTINGS))


def open_pool(session: Mapping[str, str] = MappingProxyType({})) -> Pool:
    """Open one connection to PostgreSQL with these session settings until the command ends."""
    url = rollout_of().database_url
    pool = Pool(url, size=1, deadline=DEADLINE, name="detection-api rollout", settings=session)
    click.get_current_context().call_on_close(pool.dispose)
    return pool


def canaried() -> list[str]:
    """Return the endpoints that the canary serves, sorted."""
    return sorted(rollout_of().endpoints)


def with_default() -> list[str]:
    """Return the default and the endpoints that the canary serves."""
    return [DEFAULT, *canaried()]


def refuse_unknown(*endpoints: str, known: list[str]) -> None:
    """Raise BadParameter, with the list of known endpoints, if one is unknown."""
    for endpoint in endpoints:
        if endpoint not in known:
            names = ", ".join(known)
            raise click.BadParameter(f"there is no {endpoint}; there are {names}")


def overrides() -> CanarySettings:
    """Return the canary's settings in this command's environment.

    They are the workers' settings if both have the same environment.
    """
    return rollout_of().settings


def typed(line: str) -> str:
    """Return the command to type for `line`, such as `rollout status`, in this application."""
    return rollout_of().command(line)
