"""Decides which implementation answers a request; pure."""

from enum import StrEnum

import msgspec

from detection_api.canary.serving import cohort
from detection_api.canary.serving.settings import CanarySettings
from detection_api.canary.state import Arm, RolloutState, Status


class Reason(StrEnum):
    """The reason why an arm answered."""

    KILL_SWITCH = "kill_switch"
    """`USE_DOMAIN_SERVICE` is set to anything but a true word."""
    FORCED = "forced"
    """The client asked for this arm with `force_domain`."""
    ROLLED_BACK = "rolled_back"
    """The endpoint is rolled back until an operator resumes it."""
    STALE = "stale"
    """The worker has had no news from the store for too long: the endpoint may be rolled back."""
    ROLLOUT = "rollout"
    """The subject is within the percentage."""
    HOLDOUT = "holdout"
    """The subject is not within the percentage."""
    FINISHED = "finished"
    """The migration is finished: the route has no legacy."""
    FALLBACK = "fallback"
    """The domain failed, and legacy answered in its place."""
    OUTAGE = "outage"
    """Every implementation that may answer failed."""


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The arm that shall answer, and the reason.

    `share` (0..1) is the domain's share of all requests, if the percentage decided.
    """

    arm: Arm
    reason: Reason
    share: float = 0.0


# Constants, because looking up a member of an enumeration takes as long as the rest of a line.
_UNEXPOSED = tuple(status for status in Status if not status.exposes)
_IN = (Arm.DOMAIN, Reason.ROLLOUT)
_OUT = (Arm.LEGACY, Reason.HOLDOUT)


def decide(
    overrides: CanarySettings, state: RolloutState, *, subject: str, forced: Arm | None
) -> Decision:
    """Return the arm for a request to an endpoint with two arms; the first rule that applies wins.

    `forced` is the arm that the client asks for, if the policy grants it.
    """
    if not overrides.use_domain:
        return Decision(Arm.LEGACY, Reason.KILL_SWITCH)
    if forced is not None:
        return Decision(forced, Reason.FORCED)
    if state.status in _UNEXPOSED:
        is_rolled_back = state.status is Status.ROLLED_BACK
        return Decision(Arm.LEGACY, Reason.ROLLED_BACK if is_rolled_back else Reason.STALE)
    percent = overrides.percent_of(state)
    arm, reason = _IN if cohort.is_in(state.endpoint, subject, percent) else _OUT
    return Decision(arm, reason, percent / 100)
