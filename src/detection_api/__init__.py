"""Detection records, violations, statistics and cameras over HTTP, behind a canary."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

__version__ = "0.1.0"


def create_app(environ: Mapping[str, str] | None = None) -> "Flask":
    """The application, from the environment (and env file), or from `environ` alone.

    Raises ConfigurationError for a setting that is missing or unreadable. Nothing is
    connected to before the first request. A process has one application: services and legacy
    read through the connections that the newest one has configured.
    """
    # Imported here so that commands which need no Flask (ingestion) start at once.
    from detection_api import app  # noqa: PLC0415

    return app.create(environ)
