"""A canary for Flask routes: two implementations of an endpoint, one of them the safe one.

Nothing in here knows the application. Applications import from this package and from its rooms,
never from a room's modules. Read `serving.engine.Engine.serve` first.
"""

from typing import TYPE_CHECKING, Any

from detection_api.canary.flask import CanariedView, Canary
from detection_api.canary.serving import CanarySettings, ForcePolicy, Reason
from detection_api.canary.state import (
    Arm,
    EventKind,
    MemoryStore,
    RolledBackError,
    RolloutState,
    StaleEpochError,
    Status,
    Store,
)

if TYPE_CHECKING:
    from detection_api.canary.state.postgres import PostgresStore

__all__ = [
    "Arm",
    "CanariedView",
    "Canary",
    "CanarySettings",
    "EventKind",
    "ForcePolicy",
    "MemoryStore",
    "PostgresStore",
    "Reason",
    "RolledBackError",
    "RolloutState",
    "StaleEpochError",
    "Status",
    "Store",
]


def __getattr__(name: str) -> Any:
    """Import PostgresStore when it is asked for: only it needs psycopg2."""
    if name == "PostgresStore":
        from detection_api.canary.state.postgres import PostgresStore  # noqa: PLC0415

        return PostgresStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
