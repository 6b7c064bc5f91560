"""PostgreSQL: pools with deadlines, prepared reads, the replica, partitions, migrations.

Nothing here knows the content of the tables, or HTTP. What needs Flask-Caching or SQLAlchemy is
imported when it is used, so that ingestion starts without them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from detection_api.db.cursor import PATTERN, PagePosition
from detection_api.db.partitions import (
    TABLES,
    Partition,
    Partitions,
    create,
    drop_partition,
    ended_partitions,
    is_partition,
    month_of,
)
from detection_api.db.pool import READ_ONLY, UNAVAILABLE, Connection, Pool, bound_waits
from detection_api.db.retention import (
    PartitionBusyError,
    drop_when_free,
    rows_outside_partitions,
)

if TYPE_CHECKING:
    from detection_api.db.cache import Cache
    from detection_api.db.migrating import init_migrations, upgrade
    from detection_api.db.reader import Query, Reader, Reads, decode_json_exactly
    from detection_api.db.replica import CHECK_TIMEOUT, CHECK_VALID_FOR, Replicated, Watch
else:
    _HOMES = {
        "Cache": "cache",
        "CHECK_TIMEOUT": "replica",
        "CHECK_VALID_FOR": "replica",
        "Query": "reader",
        "Reader": "reader",
        "Reads": "reader",
        "Replicated": "replica",
        "Watch": "replica",
        "decode_json_exactly": "reader",
        "init_migrations": "migrating",
        "upgrade": "migrating",
    }

    def __getattr__(name: str) -> Any:
        """Import a name from its module when it is used."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = [
    "CHECK_TIMEOUT",
    "CHECK_VALID_FOR",
    "PATTERN",
    "READ_ONLY",
    "TABLES",
    "UNAVAILABLE",
    "Cache",
    "Connection",
    "PagePosition",
    "Partition",
    "PartitionBusyError",
    "Partitions",
    "Pool",
    "Query",
    "Reader",
    "Reads",
    "Replicated",
    "Watch",
    "bound_waits",
    "create",
    "decode_json_exactly",
    "drop_partition",
    "drop_when_free",
    "ended_partitions",
    "init_migrations",
    "is_partition",
    "month_of",
    "rows_outside_partitions",
    "upgrade",
]
