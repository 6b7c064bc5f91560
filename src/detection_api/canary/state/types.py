"""The values that workers and hosts share: arms, states, events, heartbeats, counts.

All moments are by the store's clock: the clocks of hosts are never compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any

from detection_api.canary.state.ledger import Key, Tally

DEFAULT = "*"
"""The endpoint name of the state for endpoints without a state of their own."""


class Arm(StrEnum):
    """The two implementations of an endpoint."""

    DOMAIN = "domain"
    """The new one, which has to prove itself."""
    LEGACY = "legacy"
    """The old one: the reference, and the way back."""


class Status(Enum):
    """Whether an endpoint's percentage applies."""

    ACTIVE = "active"
    """The percentage applies."""
    HELD = "held"
    """The percentage applies, and cannot be raised until a resume."""
    ROLLED_BACK = "rolled_back"
    """Everything goes to legacy until an operator resumes."""
    UNKNOWN = "unknown"
    """Everything goes to legacy: the worker has no news from the store. Never stored."""

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
    """Return the state that applies to `endpoint`: its own, else the default's, else 0 percent.

    A default that is held or rolled back holds or rolls back every endpoint.
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
    """The kind of an event."""

    SET = "set"
    """The percent was changed."""
    ROLLBACK = "rollback"
    """The endpoint was rolled back."""
    RESUME = "resume"
    """The rollback or the hold was taken back."""
    WARN = "warn"
    """The guard found failures or slow answers, too few for a rollback."""
    HOLD = "hold"
    """The percent must not be raised: by an operator, or by the guard because the domain gave a
    wrong answer. Or the guard found the domain worse than legacy, and advises not to raise it."""
    START = "start"
    """A rollout run began; the evidence is its plan."""
    STAGE = "stage"
    """A run put the endpoint to a stage's percent."""
    PASS = "pass"  # noqa: S105 - no password
    """The endpoint passed the stage; the evidence is what was measured."""
    FAIL = "fail"
    """The endpoint failed the stage, and has the percent that it goes back to."""
    LEAVE = "leave"
    """A run left the endpoint behind, neither passed nor failed, at the evidence's percent."""
    END = "end"
    """The run ended; the evidence is what became of each endpoint."""
    GRANT = "grant"
    REVOKE = "revoke"
    """A token to see or change the rollout was granted, or revoked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutEvent:
    """One entry of the audit; never changed. `epoch` is the endpoint's at that moment.

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
    """A worker's report with each batch; `uptime` is in seconds.

    `epochs` are the applied ones by endpoint, `totals` the counts since the start, `vitals` the
    application's measurements, such as memory in bytes.
    """

    worker: str
    uptime: float
    epochs: Mapping[str, int]
    totals: Mapping[Key, Tally]
    vitals: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker's last heartbeat, `silent` seconds ago."""

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
    """The counts of one endpoint and arm over a part of the ledger, summed over all workers.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The part of the store that each worker copies: all states, and the accepted differences."""

    states: Mapping[str, RolloutState]
    accepted: tuple[AcceptedDifference, ...]


class RolledBackError(Exception):
    """The domain's transaction was rolled back; the `__cause__` says why."""
