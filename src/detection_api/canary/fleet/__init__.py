"""One worker as part of the fleet: the states it applies, its counts, the guard over all workers.

`runtime` joins the parts. A failure becomes a rollback of the whole fleet in this order:

1. `flask.py` `respond`: the engine has served the request; its result is accounted for.
2. `local_guard.py` `account`: the request is counted (`accounting.py`) and judged (`guard/`).
3. `applied_states.py` `roll_back`: this worker sends all requests to legacy, and wakes its thread.
4. `link.py` `poll`: the thread writes the rollback to the store.
5. `link.py` `poll` of each other worker: it reads the store, and `applied_states.py` applies it.

If no worker has enough evidence of its own, `fleet_guard.py` judges the counts of all at step 2.
"""

from detection_api.canary.fleet.fleet_guard import FLEET, REPLAY
from detection_api.canary.fleet.link import FleetLink
from detection_api.canary.fleet.runtime import HostApplication, Runtime

__all__ = [
    "FLEET",
    "REPLAY",
    "FleetLink",
    "HostApplication",
    "Runtime",
]
