"""What commands have in common: their settings, and errors that are one clear line."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click
import psycopg2
from sqlalchemy.exc import DBAPIError

from detection_api.config import Settings, read_environ
from detection_api.dev.instance import INSTANCE, find_running
from detection_api.errors import ConfigurationError, DeadlineExceededError
from detection_api.telemetry import logs

DATABASE = "DATABASE_URL"


def read_variables() -> dict[str, str]:
    """The environment and the env file; or, where they name no database, that of a `make run`.

    Of one that runs in the folder where the command is given everything is taken that is not named.
    """
    environ = read_environ()
    if environ.get(DATABASE):
        return environ
    return {**environ, **find_running(INSTANCE), **{k: v for k, v in environ.items() if v}}


def explained(error: ConfigurationError, environ: Mapping[str, str]) -> str:
    """What is wrong with the settings in `environ`, and how to name a database where none is."""
    if environ.get(DATABASE):
        return str(error)
    return (
        f"{error}; no `make run` runs in this folder either: start one,"
        f" or name a database: export {DATABASE}=postgresql://USER@HOST/NAME"
    )


def read_settings() -> Settings:
    """The settings of this process, whose log is written as they say; one line for a fault."""
    environ = read_variables()
    try:
        settings = Settings.from_environ(environ)
    except ConfigurationError as error:
        raise click.ClickException(explained(error, environ)) from error
    logs.configure(settings.log_level)
    return settings


@contextmanager
def clear_database_errors() -> Iterator[None]:
    """Turn what PostgreSQL may say at any time into one line on standard error, exit code 1."""
    try:
        yield
    except (psycopg2.Error, DBAPIError) as error:
        raise click.ClickException(database_error(error)) from error


def database_error(error: Exception) -> str:
    """What PostgreSQL, or the wait for it, says, in one line."""
    if isinstance(error, DeadlineExceededError):
        return str(error)
    lines = str(getattr(error, "orig", error)).splitlines()
    reason = "; ".join(" ".join(line.split()) for line in lines if line.strip())
    return f"PostgreSQL: {reason}"
