"""What workers and hosts share: rollout state, events, the ledger, mismatches; and the promise.

Every moment in here is the store's own clock's: the hosts' clocks are never compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Protocol

from detection_api.canary.ledger import BUCKET, Batch, Key, Tally

DEFAULT = "*"
"""The endpoint name of the state that applies where an endpoint has none of its own."""
WORKER_SILENT_AFTER = timedelta(minutes=1)
"""A worker that has not been heard from for so long is not reported any more."""
WORKER_FORGOTTEN_AFTER = timedelta(days=1)
"""For so long a batch that is sent again is known to have been counted."""


class Status(Enum):
    """Whether an endpoint's percentage applies."""

    ACTIVE = "active"
    """It does."""
    HELD = "held"
    """It does, and nobody raises it until an operator resumes."""
    ROLLED_BACK = "rolled_back"
    """It does not: everything goes to legacy until an operator resumes."""
    UNKNOWN = "unknown"
    """Never stored: a worker has not heard from the store for too long; everything to legacy."""

    @property
    def exposes(self) -> bool:
        """Whether the percentage applies."""
        return self in (Status.ACTIVE, Status.HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutState:
    """One endpoint's exposure; `percent` is 0..100, `epoch` counts the changes.

    `by` changed it `at` that moment, for that `reason`. Evidence from before `resumed_at`, the
    last time that a rollback was taken back, does not count any more.
    """

    endpoint: str
    percent: float = 0.0
    status: Status = Status.ACTIVE
    reason: str = ""
    epoch: int = 0
    by: str = ""
    at: datetime | None = None
    resumed_at: datetime | None = None


def effective(states: Mapping[str, RolloutState], endpoint: str) -> RolloutState:
    """The state that applies to `endpoint`: its own, else the default's, else 0 percent.

    A default that is held or rolled back has the same done to every endpoint.
    """
    default = states.get(DEFAULT) or RolloutState(endpoint=DEFAULT)
    own = states.get(endpoint) or RolloutState(
        endpoint=endpoint, percent=default.percent, status=default.status, reason=default.reason
    )
    resumed = filter(None, (own.resumed_at, default.resumed_at))
    own = replace(own, resumed_at=max(resumed, default=None))
    if _SEVERITY[default.status] > _SEVERITY[own.status]:
        return replace(own, status=default.status, reason=default.reason)
    return own


_SEVERITY = {Status.ACTIVE: 0, Status.HELD: 1, Status.ROLLED_BACK: 2}


class EventKind(Enum):
    """What an event tells."""

    SET = "set"
    """The percent was changed."""
    ROLLBACK = "rollback"
    """The endpoint was rolled back."""
    RESUME = "resume"
    """The rollback or the hold was taken back."""
    WARN = "warn"
    """The guard saw too many failures or slow answers, not enough of them for a rollback."""
    HOLD = "hold"
    """The percent should not be raised: an operator says so, or the guard found the domain worse
    than legacy."""
    START = "start"
    """A rollout run began; the evidence is its plan."""
    STAGE = "stage"
    """A run put the endpoint to a stage's percent."""
    PASS = "pass"  # noqa: S105 - no password
    """The endpoint passed the stage; the evidence is what was measured."""
    FAIL = "fail"
    """The endpoint failed the stage, and has the percent that it goes back to."""
    LEAVE = "leave"
    """A run left the endpoint behind as it stands, neither passed nor failed."""
    END = "end"
    """The run ended; the evidence is what became of each endpoint."""
    GRANT = "grant"
    REVOKE = "revoke"
    """Somebody was given a token to see or change the rollout, or it was taken away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the audit; never changed. `epoch` is the endpoint's at that moment.

    `run` is the rollout run that it belongs to, which is the id of the run's START; 0 for none.
    """

    endpoint: str
    kind: EventKind
    by: str
    reason: str
    epoch: int = 0
    evidence: Mapping[str, Any] = field(default_factory=dict)
    run: int = 0
    id: int = 0
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What a worker says of itself with each batch; `uptime` in seconds.

    `epochs` are those it applies, by endpoint; `totals` its counts since it started; `vitals`
    whatever the application measures, such as memory in bytes.
    """

    worker: str
    uptime: float
    epochs: Mapping[str, int]
    totals: Mapping[Key, Tally]
    vitals: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker as the store knows it: its last heartbeat, `silent` seconds ago."""

    heartbeat: Heartbeat
    silent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """All workers' counts of one endpoint and arm in the BUCKET (or wider) from `bucket` on."""

    bucket: datetime
    endpoint: str
    arm: str
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What all workers asked an arm of an endpoint in a part of the ledger: its counts only.

    `since` is the earliest bucket, the others are the latest one in which it was asked without
    having been forced, was forced, and answered because the other arm had failed.
    """

    endpoint: str
    arm: str
    tally: Tally
    since: datetime
    decided_at: datetime | None = None
    forced_at: datetime | None = None
    fell_back_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """How often the arms of an endpoint differ at `path` in one way, `accepted` ones apart."""

    endpoint: str
    path: str
    kind: str
    count: int
    accepted: int
    first_seen: datetime
    last_seen: datetime
    samples: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedDifference:
    """A difference that is known and excused until `expires_at`.

    `path` is a JSONPath in which `*` stands for any text; `kind` one of the comparison's, or `*`.
    """

    endpoint: str
    path: str
    kind: str
    reason: str
    by: str
    expires_at: datetime
    id: int = 0
    created_at: datetime | None = None
    used: int = 0
    last_used_at: datetime | None = None


class StaleEpochError(Exception):
    """The state was changed by somebody else since it was read; read it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What every worker keeps a copy of: all states by endpoint, and what is accepted now."""

    states: Mapping[str, RolloutState]
    accepted: tuple[AcceptedDifference, ...]


class Store(Protocol):
    """What workers share. All implementations pass one suite of promises.

    Every method may raise whatever its backend raises; nothing is then half done.
    """

    def now(self) -> datetime:
        """The store's clock, which every moment in here is of."""

    def read(self) -> Shared:
        """All states, and the accepted differences that have not expired."""

    def write(
        self, state: RolloutState, kind: EventKind, evidence: Mapping[str, Any], run: int = 0
    ) -> RolloutState:
        """Compare-and-swap with its event: store `state` if its epoch is still the stored one.

        Returns what is stored now, at the next epoch. Where this takes back a rollback,
        `resumed_at` becomes now. Raises StaleEpochError.
        """

    def append(self, event: Event) -> Event:
        """Add an event that changes no state; as stored: its id and moment are the store's."""

    def events(
        self,
        endpoint: str | None = None,
        limit: int | None = 100,
        run: int | None = None,
        before: int | None = None,
    ) -> list[Event]:
        """The newest events, those before that id, newest first; a run's START belongs to it."""

    def flush(self, heartbeat: Heartbeat, number: int, batch: Batch, age: float) -> None:
        """Add a worker's batch, whose counting began `age` seconds ago; sent twice, once.

        A worker numbers its batches 1, 2, ...; one that is not newer than the last is ignored.
        """

    def ledger(
        self,
        since: datetime | timedelta,
        until: datetime | None = None,
        endpoint: str | None = None,
        width: timedelta = BUCKET,
    ) -> list[LedgerRow]:
        """The rows of all buckets from `since` on, or of the last `since`, oldest first.

        With `until`, only of the buckets that begin before it; with `endpoint`, only of that one.
        Rows are added up to buckets of this `width`, a multiple of BUCKET, counted from 1970.
        """

    def usage(self, since: datetime | timedelta) -> list[Usage]:
        """The counts of the same rows, added up by endpoint and arm, in that order."""

    def workers(self) -> list[Worker]:
        """Every worker that has been heard from within the last minute."""

    def mismatches(self, endpoint: str | None = None) -> list[Mismatch]:
        """All mismatches, the most frequent first."""

    def branches(self) -> dict[tuple[str, str], int]:
        """How many compared answers took each branch, by endpoint and branch."""

    def accept(self, difference: AcceptedDifference) -> AcceptedDifference:
        """Add an accepted difference; as stored."""

    def accepted(self) -> list[AcceptedDifference]:
        """Every accepted difference, expired ones too, oldest first."""

    def withdraw(self, identifier: int) -> bool:
        """Remove an accepted difference; False where there is none of this id."""

    def lead(self) -> bool:
        """Whether the caller is the fleet's leader now; it stays so until it goes away."""

    def prune(self, older_than: timedelta) -> int:
        """Remove ledger rows older than that; how many. Workers go a day after their last word."""
