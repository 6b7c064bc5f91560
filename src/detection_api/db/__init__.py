"""PostgreSQL: pools with deadlines, prepared reads, the replica, partitions, migrations.

Nothing here knows the content of the tables, or HTTP.
"""

from detection_api.db.cache import Cache
from detection_api.db.cursor import PATTERN, PagePosition
from detection_api.db.migrating import MIGRATIONS, upgrade
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
from detection_api.db.reader import Query, Reader, Reads, decode_json_exactly
from detection_api.db.replica import CHECK_TIMEOUT, CHECK_VALID_FOR, Replicated, Watch
from detection_api.db.retention import (
    PartitionBusyError,
    drop_when_free,
    rows_outside_partitions,
)

__all__ = [
    "CHECK_TIMEOUT",
    "CHECK_VALID_FOR",
    "MIGRATIONS",
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
    "is_partition",
    "month_of",
    "rows_outside_partitions",
    "upgrade",
]
