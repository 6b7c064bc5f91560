"""The last hour of the ledger, read in small slices."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from detection_api.canary.state import LedgerRow, Store
from detection_api.clock import utc_now

WINDOW = timedelta(hours=1)
FRESH = timedelta(seconds=40)
"""Read every time: the buckets in which workers still count."""
SLICE = timedelta(minutes=5)
"""Read at once of what is older."""
REREAD = 10
"""Every so many reads a slice is read again: workers tell late what they counted while the store
was away."""

_SLICES = WINDOW // SLICE


class History:
    """Holds the ledger's rows of WINDOW; a read fetches at most FRESH and one SLICE.

    A dozen reads complete it, the newest part first. After a pause it starts again.
    """

    def __init__(self, store: Store, now: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._now = now
        self._rows: dict[tuple[datetime, str, str], LedgerRow] = {}
        self._reads = 0
        self._read_at: datetime | None = None

    def read(self) -> list[LedgerRow]:
        """Return the rows known now, oldest first; raises what the store raises."""
        now = self._now()
        if self._read_at is None or now - self._read_at > FRESH / 2:
            self._reads = 0
        self._put(self._store.ledger(FRESH))
        if self._reads < _SLICES or self._reads % REREAD == 0:
            until = now - (self._reads // self._pace % _SLICES) * SLICE
            self._put(self._store.ledger(until - SLICE, until))
        self._reads += 1
        self._read_at = now
        oldest = now - WINDOW
        self._rows = {key: row for key, row in sorted(self._rows.items()) if key[0] >= oldest}
        return list(self._rows.values())

    @property
    def _pace(self) -> int:
        """Return the number of reads between two slices."""
        return 1 if self._reads < _SLICES else REREAD

    def _put(self, rows: Iterable[LedgerRow]) -> None:
        for row in rows:
            self._rows[row.bucket, row.endpoint, row.arm] = row
