"""Decide whether an endpoint may pass its stage.

`measurement` measures an endpoint, `evidence` holds the result, `judge` judges it gate by gate.
"""

from detection_api.rollout.gates.evidence import ArmEvidence, EndpointSnapshot, Evidence, Window
from detection_api.rollout.gates.judgement import Verified, judge, verification
from detection_api.rollout.gates.latency import LIMIT_MS, SAMPLE
from detection_api.rollout.gates.ledger_series import series
from detection_api.rollout.gates.measurement import (
    BRANCH,
    LATENCY,
    Gathered,
    arm_evidence,
    excuse_of_latency,
    gather,
    measure,
)
from detection_api.rollout.gates.outcome import Gate, GateOutcome, bottleneck, conclude, eta

__all__ = [
    "BRANCH",
    "LATENCY",
    "LIMIT_MS",
    "SAMPLE",
    "ArmEvidence",
    "EndpointSnapshot",
    "Evidence",
    "Gate",
    "GateOutcome",
    "Gathered",
    "Verified",
    "Window",
    "arm_evidence",
    "bottleneck",
    "conclude",
    "eta",
    "excuse_of_latency",
    "gather",
    "judge",
    "measure",
    "series",
    "verification",
]
