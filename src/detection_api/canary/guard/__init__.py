"""Decides when to warn, hold or roll back; pure.

`cusum` has the sequential tests, `alarms` the signals. `guard` feeds them with requests.
"""

from detection_api.canary.guard.alarms import PARAMETERS, VERDICTS, Signal
from detection_api.canary.guard.guard import (
    ADVANCE_COST,
    ADVANCE_POINTS,
    Alarm,
    ArmSample,
    Guard,
    Sample,
    Verdict,
    advance_points,
    may_advance,
    severest,
)
from detection_api.canary.guard.slo import LATE_RATIO, MAX_FAILURE_SHARE, SLOW_SECONDS

__all__ = [
    "ADVANCE_COST",
    "ADVANCE_POINTS",
    "LATE_RATIO",
    "MAX_FAILURE_SHARE",
    "PARAMETERS",
    "SLOW_SECONDS",
    "VERDICTS",
    "Alarm",
    "ArmSample",
    "Guard",
    "Sample",
    "Signal",
    "Verdict",
    "advance_points",
    "may_advance",
    "severest",
]
