"""The environment of a command, and errors that it explains in one line."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click
import psycopg2
from flask import Flask
from flask.cli import NoAppException, ScriptInfo

from detection_api import create_app
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


def script_info() -> ScriptInfo:
    """Return what commands of Flask build the application from, when they need it."""
    return ScriptInfo(create_app=_create_app, set_debug_flag=False)


def _create_app() -> Flask:
    environ = read_variables()
    try:
        return create_app(environ)
    except ConfigurationError as error:
        raise NoAppException(explain(error, environ)) from error


@contextmanager
def clear_database_errors() -> Iterator[None]:
    """Turn an error of PostgreSQL into one line on standard error and exit code 1."""
    try:
        yield
    except _database_errors() as error:
        raise click.ClickException(database_error(error)) from error


def _database_errors() -> tuple[type[Exception], ...]:
    """Return psycopg2's error, and SQLAlchemy's if the command has loaded SQLAlchemy."""
    if "sqlalchemy" not in sys.modules:
        return (psycopg2.Error,)
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - few commands need it

    return (psycopg2.Error, DBAPIError)


def database_error(error: Exception) -> str:
    """Return the message of a database error or of an exceeded deadline, in one line."""
    if isinstance(error, DeadlineExceededError):
        return str(error)
    lines = str(getattr(error, "orig", error)).splitlines()
    reason = "; ".join(" ".join(line.split()) for line in lines if line.strip())
    return f"PostgreSQL: {reason}"
