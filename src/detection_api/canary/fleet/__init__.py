"""One worker as part of the fleet: its link to the store, its counts, the guard over all workers.

`runtime` joins the parts; read `Runtime.serve` and `Runtime.account` first.
"""

from detection_api.canary.fleet.fleet_guard import FLEET, REPLAY
from detection_api.canary.fleet.link import FleetLink
from detection_api.canary.fleet.runtime import Runtime

__all__ = [
    "FLEET",
    "REPLAY",
    "FleetLink",
    "Runtime",
]
