"""The environment of a command, and errors that it explains in one line."""

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
    """Return the variables of the environment and of the env file.

    If they name no database, settings not given are read from the instance running in this folder,
    if there is one.
    """
    environ = read_environ()
    if environ.get(DATABASE):
        return environ
    return {**environ, **find_running(INSTANCE), **{k: v for k, v in environ.items() if v}}


def explain(error: ConfigurationError, environ: Mapping[str, str]) -> str:
    """Return the message of a settings error; without a database it says how to name one."""
    if environ.get(DATABASE):
        return str(error)
    return (
        f"{error}; no `make run` is running in this folder either: start one,"
        f" or name a database: export {DATABASE}=postgresql://USER@HOST/NAME"
    )


def read_settings() -> Settings:
    """Return the settings of this process, and configure its log.

    Raises ClickException if a setting is missing or unreadable.
    """
    environ = read_variables()
    try:
        settings = Settings.from_environ(environ)
    except ConfigurationError as error:
        raise click.ClickException(explain(error, environ)) from error
    logs.configure(settings.log_level)
    return settings


@contextmanager
def clear_database_errors() -> Iterator[None]:
    """Turn an error of PostgreSQL into one line on standard error and exit code 1."""
    try:
        yield
    except (psycopg2.Error, DBAPIError) as error:
        raise click.ClickException(database_error(error)) from error


def database_error(error: Exception) -> str:
    """Return the message of a database error or of an exceeded deadline, in one line."""
    if isinstance(error, DeadlineExceededError):
        return str(error)
    lines = str(getattr(error, "orig", error)).splitlines()
    reason = "; ".join(" ".join(line.split()) for line in lines if line.strip())
    return f"PostgreSQL: {reason}"
