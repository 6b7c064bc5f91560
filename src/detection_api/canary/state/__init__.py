"""The values that workers share (states, events, ledger, mismatches), and the store for them.

`types` has the values, `store` the port, `memory` one implementation, `postgres` the other.
"""

from detection_api.canary.state.histogram import (
    GAMMA,
    Histogram,
    at_rank,
    observe,
    percentile,
    seconds_of,
)
from detection_api.canary.state.ledger import (
    BUCKET_SECONDS,
    COUNTS,
    Key,
    Ledger,
    LedgerBatch,
    MismatchTally,
    Tally,
)
from detection_api.canary.state.memory import MemoryStore
from detection_api.canary.state.safe_convert import convert, learned
from detection_api.canary.state.store import StaleEpochError, Store
from detection_api.canary.state.types import (
    DEFAULT,
    AcceptedDifference,
    Arm,
    EventKind,
    Heartbeat,
    LedgerRow,
    Mismatch,
    RolledBackError,
    RolloutEvent,
    RolloutState,
    Shared,
    Status,
    Usage,
    Worker,
    effective,
)

__all__ = [
    "BUCKET_SECONDS",
    "COUNTS",
    "DEFAULT",
    "GAMMA",
    "AcceptedDifference",
    "Arm",
    "EventKind",
    "Heartbeat",
    "Histogram",
    "Key",
    "Ledger",
    "LedgerBatch",
    "LedgerRow",
    "MemoryStore",
    "Mismatch",
    "MismatchTally",
    "RolledBackError",
    "RolloutEvent",
    "RolloutState",
    "Shared",
    "StaleEpochError",
    "Status",
    "Store",
    "Tally",
    "Usage",
    "Worker",
    "at_rank",
    "convert",
    "effective",
    "learned",
    "observe",
    "percentile",
    "seconds_of",
]
