"""Serves a request: decide, run one arm, check its answer, fall back.

Read `engine.Engine.serve` first. Nothing here knows Flask, counts, or stores.
"""

from detection_api.canary.serving.calls import Calls, left_by_dead
from detection_api.canary.serving.cohort import is_in
from detection_api.canary.serving.decision import Reason
from detection_api.canary.serving.engine import (
    NOBODY,
    CanaryRequest,
    Engine,
    Implementation,
    Result,
    Route,
    RouteHeaders,
)
from detection_api.canary.serving.last_good import Good, LastGood
from detection_api.canary.serving.observation import (
    DeadlinePool,
    FailureCause,
    Observation,
)
from detection_api.canary.serving.settings import SETTLE, CanarySettings, ForcePolicy

__all__ = [
    "NOBODY",
    "SETTLE",
    "Calls",
    "CanaryRequest",
    "CanarySettings",
    "DeadlinePool",
    "Engine",
    "FailureCause",
    "ForcePolicy",
    "Good",
    "Implementation",
    "LastGood",
    "Observation",
    "Reason",
    "Result",
    "Route",
    "RouteHeaders",
    "is_in",
    "left_by_dead",
]
