"""What the commands about the rollout have in common."""

import getpass
import os
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import click
import msgspec
from flask.cli import AppGroup

from detection_api.canary.serving import CanarySettings
from detection_api.canary.state import DEFAULT, StaleEpochError, Store
from detection_api.canary.state.postgres import PostgresStore
from detection_api.cli.command import clear_database_errors
from detection_api.db import Pool
from detection_api.errors import ConflictError, DeadlineExceededError
from detection_api.rollout.extension import NoRolloutError, rollout_of
from detection_api.rollout.lock import SESSION_SETTINGS as LOCK_SETTINGS
from detection_api.rollout.lock import AnotherControllerError, PostgresLock
from detection_api.rollout.text import table

DEADLINE = 10.0
"""Seconds that one statement may take: a server is busy when a rollback is needed most."""


class Commands(AppGroup):
    """Commands that work on the canary's store; what may well happen is one clear line."""

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
                f"somebody else has just changed {error}: nothing was done to it;"
                " see `detection-api rollout status`"
            ) from error


def login() -> str:
    """Who runs this command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user often has no name
        return f"uid {os.getuid()}"


BY = click.option("--by", default=login, show_default="your login name", help="Who does it.")
JSON = click.option("--json", "as_json", is_flag=True, help="As JSON, with everything there is.")


def open_store() -> Store:
    """The fleet's store, until the command ends."""
    return PostgresStore(open_pool().connection)


def open_lock() -> PostgresLock:
    """What only one controller can have, until the command ends."""
    return PostgresLock(open_pool(LOCK_SETTINGS))


def open_pool(session: Mapping[str, str] = MappingProxyType({})) -> Pool:
    """A connection to PostgreSQL with these settings, until the command ends."""
    url = rollout_of().database_url
    pool = Pool(url, size=1, deadline=DEADLINE, name="detection-api rollout", settings=session)
    click.get_current_context().call_on_close(pool.dispose)
    return pool


def canaried() -> list[str]:
    """The endpoints that the canary serves."""
    return sorted(rollout_of().endpoints)


def refuse_unknown(*endpoints: str, known: list[str]) -> None:
    """Refuse what is none of the application's endpoints, and tell which there are."""
    for endpoint in endpoints:
        if endpoint not in known:
            names = ", ".join(known)
            raise click.BadParameter(f"there is no {endpoint}; there are {names}")


def with_default() -> list[str]:
    """The endpoints that the canary serves, and the default."""
    return [DEFAULT, *canaried()]


def overrides() -> CanarySettings:
    """What this command's environment says, which is the workers' where it is the same."""
    return rollout_of().settings


def typed(line: str) -> str:
    """Return the command to type for `line`, such as `rollout status`, in this application."""
    return rollout_of().command(line)


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table."""
    click.echo("\n".join(table(header, rows)))


def print_json(value: Any) -> None:
    """Print dataclasses, moments and all as indented JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
