"""The application with a domain that fails now and then, too seldom for a rollback."""

import itertools
from collections.abc import Callable
from functools import wraps
from typing import Any

from detection_api import create_app
from detection_api.services import cameras, records, statistics

EVERY = 40
"""Of so many calls one fails: over 1%, below the guard's 5% even if a few workers coincide."""


def flaky(implementation: Callable[..., Any]) -> Callable[..., Any]:
    calls = itertools.count(1)

    @wraps(implementation)
    def sometimes(**arguments: Any) -> Any:
        if next(calls) % EVERY == 0:
            raise RuntimeError("this is one call too many")
        return implementation(**arguments)

    return sometimes


for module, name in (
    (records, "detection_records"),
    (records, "violation"),
    (statistics, "daily"),
    (statistics, "events"),
    (statistics, "history"),
    (cameras, "cameras"),
    (cameras, "camera_stats"),
):
    setattr(module, name, flaky(getattr(module, name)))

app = create_app()
