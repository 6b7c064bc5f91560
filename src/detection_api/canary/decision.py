"""Which implementation answers a request, and why; pure."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Self

from detection_api.canary import cohort
from detection_api.canary.store import RolloutState, Status

log = logging.getLogger(__name__)

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
MAX_PERCENT = 100


class Arm(Enum):
    """The two implementations of an endpoint."""

    DOMAIN = "domain"
    """The new one, which has to prove itself."""
    LEGACY = "legacy"
    """The old one: the reference, and the way back."""


class Reason(Enum):
    """Why an arm answered."""

    KILL_SWITCH = "kill_switch"
    """`USE_DOMAIN_SERVICE` is set to anything but a true word."""
    FORCED = "forced"
    """The client asked for this arm with `force_domain`."""
    ROLLED_BACK = "rolled_back"
    """The endpoint failed and waits for an operator's resume."""
    ROLLOUT = "rollout"
    """The subject is within the percentage."""
    HOLDOUT = "holdout"
    """The subject is not within the percentage."""
    FINISHED = "finished"
    """The migration is over: there is no legacy any more."""
    FALLBACK = "fallback"
    """The domain was to answer and failed."""
    OUTAGE = "outage"
    """No implementation that may answer could."""


class ForcePolicy(Enum):
    """Who may choose an arm with `force_domain`; from others the wish is not granted."""

    OPEN = "open"
    """Every client."""
    TOKEN = "token"  # noqa: S105
    """Clients that show an operator's token."""
    OFF = "off"
    """Nobody."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The arm that shall answer, and the reason."""

    arm: Arm
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What the environment says about the canary; read once, when a worker boots."""

    use_domain: bool = True
    pinned: Mapping[str, float]
    """Percent (0..100) by variable name: `ROLLOUT_PERCENT` and `ROLLOUT_PERCENT_<ENDPOINT>`."""
    force: ForcePolicy = ForcePolicy.OPEN
    sticky_header: str = "X-Client-Id"
    """The request header whose value keeps a client on one side; empty: each request draws."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the canary's variables; what is unreadable is logged and read as the safe side."""
        switch = environ.get("USE_DOMAIN_SERVICE")
        return cls(
            use_domain=switch is None or switch.strip().lower() in TRUE_WORDS,
            pinned={
                name: _read_percent(name, text)
                for name, text in environ.items()
                if name == "ROLLOUT_PERCENT" or name.startswith("ROLLOUT_PERCENT_")
            },
            force=_read_force_policy(environ.get("FORCE_DOMAIN", ForcePolicy.OPEN.value)),
            sticky_header=environ.get("CANARY_STICKY", "X-Client-Id").strip(),
        )

    def pinned_percent(self, endpoint: str) -> float | None:
        """The percent that the environment pins for `endpoint` (Flask's name), if it does."""
        return self.pinned.get(_variable(endpoint), self.pinned.get("ROLLOUT_PERCENT"))

    def checked(self, endpoints: Iterable[str]) -> Self:
        """These overrides, with the kill switch set where one is pinned for none of `endpoints`.

        It is a typo, and what was misspelled may have been a rollback.
        """
        unknown = set(self.pinned) - {"ROLLOUT_PERCENT", *map(_variable, endpoints)}
        for name in sorted(unknown):
            log.error("%s names no endpoint: all traffic goes to legacy", name)
        return replace(self, use_domain=False) if unknown else self


def _variable(endpoint: str) -> str:
    """The variable that pins the percent of `endpoint`."""
    return "ROLLOUT_PERCENT_" + endpoint.replace(".", "_").upper()


def _read_percent(name: str, text: str) -> float:
    try:
        percent = float(text)
    except ValueError:
        percent = -1.0
    if 0 <= percent <= MAX_PERCENT:
        return percent
    log.error("%s=%r is not a percentage of 0..100: it is read as 0", name, text)
    return 0.0


def _read_force_policy(text: str) -> ForcePolicy:
    try:
        return ForcePolicy(text.strip().lower())
    except ValueError:
        log.error("FORCE_DOMAIN=%r is not open, token or off: it is read as off", text)
        return ForcePolicy.OFF


def decide(
    overrides: Overrides, state: RolloutState, *, subject: str, forced: Arm | None
) -> Decision:
    """The arm for one request to an endpoint that has both; the first rule that applies wins.

    `forced` is the client's wish where the policy grants it.
    """
    if not overrides.use_domain:
        return Decision(Arm.LEGACY, Reason.KILL_SWITCH)
    if forced is not None:
        return Decision(forced, Reason.FORCED)
    if state.status is Status.ROLLED_BACK:
        return Decision(Arm.LEGACY, Reason.ROLLED_BACK)
    pinned = overrides.pinned_percent(state.endpoint)
    percent = state.percent if pinned is None else pinned
    if cohort.is_in(state.endpoint, subject, percent):
        return Decision(Arm.DOMAIN, Reason.ROLLOUT)
    return Decision(Arm.LEGACY, Reason.HOLDOUT)
