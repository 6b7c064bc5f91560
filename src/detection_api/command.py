"""What commands have in common: their settings, and errors that are one clear line."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
import psycopg2
from sqlalchemy.exc import DBAPIError

from detection_api import logs
from detection_api.config import Settings, read_environ
from detection_api.errors import ConfigurationError


def read_settings() -> Settings:
    """The settings of this process, whose log is written as they say; one line for a fault."""
    try:
        settings = Settings.from_environ(read_environ())
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    logs.configure(settings.log_level)
    return settings


@contextmanager
def clear_database_errors() -> Iterator[None]:
    """Turn what PostgreSQL may say at any time into one line on standard error, exit code 1."""
    try:
        yield
    except (psycopg2.Error, DBAPIError) as error:
        reason = " ".join(str(getattr(error, "orig", error)).split())
        raise click.ClickException(f"PostgreSQL: {reason}") from error
