"""The canary's settings in the environment; an unreadable value is read as the safe one."""

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from typing import Self

from detection_api.canary.state import RolloutState

log = logging.getLogger(__name__)

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
MAX_PERCENT = 100

STALE_AFTER = 60.0
SHADOW_PERCENT = 10.0
SHADOW_PER_SECOND = 20.0
RETENTION_DAYS = 30.0
STALE_IF_ERROR = 0.0
SETTLE = 2.0
"""Seconds. The domain sees an event at most so much later than legacy: when it is ingested."""


class ForcePolicy(Enum):
    """The clients that may choose an arm with `force_domain`."""

    OPEN = "open"
    """Every client."""
    TOKEN = "token"  # noqa: S105
    """Clients with an operator's token."""
    OFF = "off"
    """No client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanarySettings:
    """The canary's settings in the environment; read once, when a worker boots."""

    use_domain: bool = True
    pinned: Mapping[str, float]
    """Percent (0..100) by variable name: `ROLLOUT_PERCENT` and `ROLLOUT_PERCENT_<ENDPOINT>`."""
    force: ForcePolicy = ForcePolicy.OPEN
    sticky_header: str = "X-Client-Id"
    """The header whose value keeps a client with one arm; if empty, each request is drawn."""
    stale_after: float = STALE_AFTER
    """Seconds without news from the store after which everything goes to legacy."""
    shadow_percent: float = SHADOW_PERCENT
    """Percent (0..100) of the requests whose answers are compared."""
    shadow_per_second: float = SHADOW_PER_SECOND
    """The most comparisons that a worker makes in a second."""
    store_values: bool = False
    """Whether samples of differences show values instead of types only."""
    retention_days: float = RETENTION_DAYS
    """Days that the ledger is kept."""
    settle: float = SETTLE
    """Seconds by which one arm may see a change later than the other.

    The application sets it, not a variable.
    """
    stale_if_error: float = STALE_IF_ERROR
    """The highest age, in seconds, of an answer that is sent in an outage; 0 sends none."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the canary's variables; log unreadable values and read them as the safe ones."""
        switch = environ.get("USE_DOMAIN_SERVICE")
        return cls(
            use_domain=switch is None or _is_true(switch),
            pinned={
                name: _read_percent(name, text)
                for name, text in environ.items()
                if name == "ROLLOUT_PERCENT" or name.startswith("ROLLOUT_PERCENT_")
            },
            force=_read_force_policy(environ.get("FORCE_DOMAIN", ForcePolicy.OPEN.value)),
            sticky_header=environ.get("CANARY_STICKY", "X-Client-Id").strip(),
            stale_after=_read_positive(environ, "CANARY_STALE_AFTER", STALE_AFTER),
            shadow_percent=_read_percent(
                "SHADOW_PERCENT", environ.get("SHADOW_PERCENT", str(SHADOW_PERCENT))
            ),
            shadow_per_second=_read_positive(environ, "SHADOW_MAX_PER_SECOND", SHADOW_PER_SECOND),
            store_values=_is_true(environ.get("CANARY_STORE_VALUES", "false")),
            retention_days=_read_positive(environ, "CANARY_RETENTION_DAYS", RETENTION_DAYS),
            stale_if_error=_read_stale_if_error(environ.get("STALE_IF_ERROR") or "0"),
        )

    def pinned_percent(self, endpoint: str) -> float | None:
        """Return the percent that the environment pins for `endpoint`; None if it pins none."""
        if not self.pinned:
            return None
        return self.pinned.get(_variable(endpoint), self.pinned.get("ROLLOUT_PERCENT"))

    def pin_of(self, endpoint: str) -> str | None:
        """Return the variable that pins the percent of `endpoint`; None if none does."""
        names = (_variable(endpoint), "ROLLOUT_PERCENT")
        return next((name for name in names if name in self.pinned), None)

    def percent_of(self, state: RolloutState) -> float:
        """Return the percent (0..100) that applies to an endpoint in `state`."""
        pinned = self.pinned_percent(state.endpoint)
        return state.percent if pinned is None else pinned

    def share_of(self, state: RolloutState) -> float:
        """Return the share (0..1) of requests that the domain gets of an endpoint in `state`."""
        if not (state.status.exposes and self.use_domain):
            return 0.0
        return self.percent_of(state) / 100

    def checked(self, endpoints: Iterable[str]) -> Self:
        """Return these settings, with the kill switch set if a pinned percent names no endpoint.

        That is a typo, and the misspelled line may be a rollback.
        """
        unknown = set(self.pinned) - {"ROLLOUT_PERCENT", *map(_variable, endpoints)}
        for name in sorted(unknown):
            log.error("%s names no endpoint: all traffic goes to legacy", name)
        return replace(self, use_domain=False) if unknown else self


@cache
def _variable(endpoint: str) -> str:
    """Return the variable that pins the percent of `endpoint`."""
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


def _read_positive(environ: Mapping[str, str], name: str, default: float) -> float:
    try:
        number = float(environ.get(name) or default)
    except ValueError:
        number = math.nan
    if 0 < number < math.inf:
        return number
    log.error("%s=%r is not a number above 0: it is read as %g", name, environ[name], default)
    return default


def _read_stale_if_error(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if 0 <= seconds < math.inf:
        return seconds
    log.error("STALE_IF_ERROR=%r is not a number of seconds: it is read as 0", text)
    return STALE_IF_ERROR


def _is_true(word: str) -> bool:
    return word.strip().lower() in TRUE_WORDS


def _read_force_policy(text: str) -> ForcePolicy:
    try:
        return ForcePolicy(text.strip().lower())
    except ValueError:
        log.error("FORCE_DOMAIN=%r is not open, token or off: it is read as off", text)
        return ForcePolicy.OFF
