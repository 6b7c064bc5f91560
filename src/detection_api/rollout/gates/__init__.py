"""Whether the evidence permits an endpoint to pass its stage.

`measurement` measures, `evidence` is what was measured, `judge` judges it gate by gate.
"""

from detection_api.rollout.gates.evidence import ArmEvidence, EndpointSnapshot, Evidence, Window
from detection_api.rollout.gates.gate import Gate, GateOutcome, bottleneck, conclude, eta
from detection_api.rollout.gates.latency_gate import LIMIT_MS, SAMPLE
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
from detection_api.rollout.gates.stage_gates import Verified, judge, verification

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
